/** Reads that differed on the two sides. */
import { z } from 'zod'
import { eventDocument } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

const divergence = z.strictObject({
  total: z.number().int().nonnegative(),
  byFamily: z.record(z.string(), z.number()),
  recent: z.array(eventDocument),
})

export function divergenceRoutes(app: ControlApp, { operations }: RouteContext): void {
  app.get(
    '/v1/divergence',
    {
      config: { role: 'read' },
      schema: { tags: ['verify'], summary: 'Reads that differed', response: answers('Counts and the latest.', divergence) },
    },
    async () => operations.divergence(),
  )
}
