/** The error queue: keys that could not be copied after all retries. */
import { Readable } from 'node:stream'
import { z } from 'zod'
import { errorsPageMax } from '../../limits.ts'
import type { Operations } from '../operations.ts'
import { errorsPage, replayAnswer, replayRequest } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

const query = z.strictObject({
  cursor: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(errorsPageMax).default(100),
  format: z
    .enum(['json', 'ndjson'])
    .default('json')
    .meta({ description: 'ndjson: all of them from the cursor on, one per line.' }),
})

export function errorRoutes(app: ControlApp, { operations }: RouteContext): void {
  app.get(
    '/v1/errors',
    {
      config: { role: 'read' },
      schema: {
        tags: ['errors'],
        summary: 'The keys that failed',
        querystring: query,
        response: answers('One page.', errorsPage),
      },
    },
    async (request, reply) => {
      const { cursor, limit, format } = request.query
      if (format === 'json') return operations.errors(cursor, limit)
      // A stream passes the page's schema by.
      const lines: unknown = Readable.from(exportLines(operations, cursor))
      return reply.header('content-type', 'application/x-ndjson').send(lines as z.infer<typeof errorsPage>)
    },
  )
  app.post(
    '/v1/errors/replay',
    {
      config: { role: 'operate' },
      schema: {
        tags: ['errors'],
        summary: 'Try them again',
        body: replayRequest,
        response: answers('How many were taken up.', replayAnswer),
      },
    },
    async (request) => ({ replayed: await operations.replayErrors(request.body.ids) }),
  )
}

function* exportLines(operations: Operations, from: number): Generator<string> {
  for (let cursor: number | null = from; cursor !== null; ) {
    const page: ReturnType<Operations['errors']> = operations.errors(cursor, errorsPageMax)
    for (const item of page.items) yield `${JSON.stringify(item)}\n`
    cursor = page.nextCursor
  }
}
