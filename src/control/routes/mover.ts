/** The copy in the background. */
import { moverPatch, moverStartRequest, moverStatus } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

export function moverRoutes(app: ControlApp, { operations }: RouteContext): void {
  const response = answers('The mover.', moverStatus)
  const options = (role: 'read' | 'operate', summary: string) => ({
    config: { role },
    schema: { tags: ['mover'], summary, response },
  })

  app.get('/v1/mover', options('read', 'Progress, speed, limits'), async () => operations.mover())
  app.patch(
    '/v1/mover',
    { config: { role: 'operate' }, schema: { tags: ['mover'], summary: 'Change any limit, live', body: moverPatch, response } },
    async (request) => operations.setMover(request.body),
  )
  const { config, schema } = options('operate', 'Begin a copy of everything')
  app.post('/v1/mover/start', { config, schema: { ...schema, body: moverStartRequest } }, async ({ body }) =>
    operations.moverStart(body),
  )
  app.post('/v1/mover/pause', options('operate', 'Stop for now, keeping the place'), async () => operations.moverPause())
  app.post('/v1/mover/resume', options('operate', 'Go on from there'), async () => operations.moverResume())
  app.post('/v1/mover/stop', options('operate', 'Give the pass up'), async () => operations.moverStop())
}
