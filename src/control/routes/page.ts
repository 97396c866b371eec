/** The status page and the API's description; both are open, since neither holds anything of this migration. */
import { statusPage } from '../status-page.ts'
import type { ControlApp } from './context.ts'

const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'"

export function pageRoutes(app: ControlApp): void {
  const open = { role: 'open' } as const
  app.get('/', { config: open, schema: { hide: true } }, async (_request, reply) =>
    reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', pagePolicy).send(statusPage),
  )
  app.get('/openapi.json', { config: open, schema: { hide: true } }, async () => app.swagger())
}
