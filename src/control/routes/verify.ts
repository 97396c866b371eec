/** Comparing the two sides, in both directions. */
import { z } from 'zod'
import { FerryError } from '../../errors.ts'
import { type VerifyReport, verifyReport, verifyRequest } from '../schemas.ts'
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
  const params = z.strictObject({ id: z.string() })
  app.post(
    '/v1/verify/:id/stop',
    {
      config: { role: 'operate' },
      schema: { tags: ['verify'], summary: 'Stop it; a later one can resume', params, response },
    },
    async (request) => found(request.params.id, await operations.stopVerification(request.params.id)),
  )
  app.get(
    '/v1/verify/:id',
    {
      config: { role: 'read' },
      schema: { tags: ['verify'], summary: 'Its progress and result', params, response },
    },
    async (request) => found(request.params.id, operations.verification(request.params.id)),
  )
}

function found(id: string, report: VerifyReport | null): VerifyReport {
  if (report === null) throw new FerryError('not-found', `there is no verification ${id}`)
  return report
}
