/** The metrics in Prometheus' text format. */
import type { ControlApp, RouteContext } from './context.ts'

export function metricsRoutes(app: ControlApp, { metrics }: RouteContext): void {
  app.get(
    '/metrics',
    { config: { role: 'read' }, schema: { tags: ['observe'], summary: 'Metrics for Prometheus' } },
    async (_request, reply) => {
      const { contentType, body } = await metrics()
      return reply.header('content-type', contentType).send(body)
    },
  )
}
