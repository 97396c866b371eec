/** Comparing the two sides, in both directions. */
import { z } from 'zod'
import { FerryError } from '../../errors.ts'
import { verifyReport, verifyRequest } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

export function verifyRoutes(app: ControlApp, { operations }: RouteContext): void {
  const response = answers('The report so far.', verifyReport)
  app.post(
    '/v1/verify',
    { config: { role: 'operate' }, schema: { tags: ['verify'], summary: 'Begin a comparison', body: verifyRequest, response } },
    async (request, reply) => {
      const report = await operations.verify(request.body)
      return reply.header('location', `/v1/verify/${report.id}`).send(report)
    },
  )
  app.get(
    '/v1/verify/:id',
    {
      config: { role: 'read' },
      schema: { tags: ['verify'], summary: 'Its progress and result', params: z.strictObject({ id: z.string() }), response },
    },
    async (request) => {
      const report = operations.verification(request.params.id)
      if (report === null) throw new FerryError('not-found', `there is no verification ${request.params.id}`)
      return report
    },
  )
}
