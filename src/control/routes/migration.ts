/** The steps of a migration. `complete` alone cannot be taken back, so it alone needs admin. */
import type { z } from 'zod'
import { migrationAnswer, migrationRequest, rampRequest, rollbackRequest, startRequest } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

export function migrationRoutes(app: ControlApp, { operations }: RouteContext): void {
  const step = <Body extends z.ZodType>(role: 'operate' | 'admin', summary: string, body: Body) => ({
    config: { role },
    schema: {
      tags: ['migration'],
      summary,
      body,
      response: answers('What was done (or would be) and the status after it.', migrationAnswer),
    },
  })

  app.post('/v1/migration/start', step('operate', 'Begin, by a strategy', startRequest), async ({ body }) =>
    operations.start(body),
  )
  app.post('/v1/migration/pause', step('operate', 'Stay where it is', migrationRequest), async ({ body }) =>
    operations.pause(body),
  )
  app.post('/v1/migration/resume', step('operate', 'Go on', migrationRequest), async ({ body }) => operations.resume(body))
  app.post('/v1/migration/ramp', step('operate', 'Read this share from the target', rampRequest), async ({ body }) =>
    operations.ramp(body),
  )
  app.post('/v1/migration/cutover', step('operate', 'Make the target the authority', migrationRequest), async ({ body }) =>
    operations.cutover(body),
  )
  app.post(
    '/v1/migration/rollback',
    step('operate', 'Take the traffic back, from any phase', rollbackRequest),
    async ({ body }) => operations.rollback(body),
  )
  app.post('/v1/migration/complete', step('admin', 'Leave the source for good', migrationRequest), async ({ body }) =>
    operations.complete(body),
  )
}
