/** How reads and writes are spread over the two sides. */
import { trafficPatch, trafficSettings } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

export function trafficRoutes(app: ControlApp, { operations }: RouteContext): void {
  const response = answers('The settings in force.', trafficSettings)
  app.get(
    '/v1/traffic',
    { config: { role: 'read' }, schema: { tags: ['traffic'], summary: 'Read mode, write policy, ratio, tenants', response } },
    async () => operations.traffic(),
  )
  app.patch(
    '/v1/traffic',
    { config: { role: 'operate' }, schema: { tags: ['traffic'], summary: 'Change any of them', body: trafficPatch, response } },
    async (request) => operations.setTraffic(request.body),
  )
}
