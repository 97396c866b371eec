/** The stream of decisions, as server-sent events. */
import { z } from 'zod'
import type { ControlApp, RouteContext } from './context.ts'

const id = z.coerce.number().int().nonnegative()
const query = z.strictObject({
  after: id.optional().meta({ description: 'Only events with a higher id; Last-Event-ID does the same and wins.' }),
  follow: z.enum(['true', 'false']).optional().meta({ description: 'false ends the stream after the events that are kept.' }),
})

export function eventRoutes(app: ControlApp, { streams }: RouteContext): void {
  app.get(
    '/v1/events',
    {
      config: { role: 'read' },
      schema: { tags: ['observe'], summary: 'Events as they happen (text/event-stream)', querystring: query },
    },
    async (request, reply) => {
      const resumed = id.safeParse(request.headers['last-event-id'])
      streams.open(reply, resumed.data ?? request.query.after ?? 0, request.query.follow !== 'false')
      return reply
    },
  )
}
