/** Everything that is to be known at one glance. */
import { statusDocument } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

export function statusRoutes(app: ControlApp, { operations }: RouteContext): void {
  app.get(
    '/v1/status',
    {
      config: { role: 'read' },
      schema: {
        tags: ['observe'],
        summary: 'Phase, traffic, mover, journal, blockers',
        response: answers('The status.', statusDocument),
      },
    },
    async () => operations.status(),
  )
}
