/** For orchestrators: is the process alive, may it get traffic. Open to everybody, so it names no addresses. */
import { z } from 'zod'
import { answers, type ControlApp, json, type RouteContext } from './context.ts'

const alive = z.strictObject({ alive: z.literal(true) })
const readiness = z.strictObject({ ready: z.boolean(), reasons: z.array(z.string()) })
const health = readiness.extend({ phase: z.string(), source: z.string(), target: z.string() }).strict()

export function healthRoutes(app: ControlApp, { operations }: RouteContext): void {
  const open = { role: 'open' } as const
  app.get(
    '/livez',
    { config: open, schema: { tags: ['health'], summary: 'Is the process alive?', response: answers('It is.', alive) } },
    async () => ({ alive: true as const }),
  )

  app.get(
    '/readyz',
    {
      config: open,
      schema: {
        tags: ['health'],
        summary: 'May it get traffic? 503 while not.',
        response: { ...answers('Ready.', readiness), 503: json('Not ready.', readiness) },
      },
    },
    async (_request, reply) => {
      const { ready, reasons } = operations.ready()
      return reply.code(ready ? 200 : 503).send({ ready, reasons: [...reasons] })
    },
  )

  for (const path of ['/healthz', '/health']) {
    app.get(
      path,
      {
        config: open,
        schema: {
          tags: ['health'],
          summary: 'Readiness and both sides. 503 while not ready.',
          response: { ...answers('Ready.', health), 503: json('Not ready.', health) },
        },
      },
      async (_request, reply) => {
        const { ready, reasons } = operations.ready()
        const { phase, source, target } = operations.status()
        return reply
          .code(ready ? 200 : 503)
          .send({ ready, reasons: [...reasons], phase, source: source.state, target: target.state })
      },
    )
  }
}
