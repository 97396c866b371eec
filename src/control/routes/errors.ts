/** The error queue: keys that could not be copied after all retries, to be looked at, decided about and tried again. */
import { Readable } from 'node:stream'
import { z } from 'zod'
import { errorsPageMax } from '../../limits.ts'
import type { Operations } from '../operations.ts'
import { type ErrorsFilter, editAnswer, editRequest, errorsFilter, errorsPage, replayAnswer, replayRequest } from '../schemas.ts'
import { answers, type ControlApp, type RouteContext } from './context.ts'

const query = errorsFilter
  .extend({
    cursor: z.coerce.number().int().nonnegative().default(0),
    limit: z.coerce.number().int().min(1).max(errorsPageMax).default(100),
    payload: z.stringbool().default(false).meta({ description: 'With what DUMP gave, where it was kept.' }),
    format: z
      .enum(['json', 'ndjson'])
      .default('json')
      .meta({ description: 'ndjson: all of them from the cursor on, one per line.' }),
  })
  .strict()

export function errorRoutes(app: ControlApp, { operations }: RouteContext): void {
  const body = { tags: ['errors'], summary: '' }
  app.get(
    '/v1/errors',
    {
      config: { role: 'read' },
      schema: { ...body, summary: 'The keys that failed', querystring: query, response: answers('One page.', errorsPage) },
    },
    async (request, reply) => {
      const { cursor, limit, format, payload, ...filter } = request.query
      if (format === 'json') return operations.errors(cursor, limit, filter, payload)
      // A stream passes the page's schema by.
      const lines: unknown = Readable.from(exportLines(operations, cursor, filter, payload))
      return reply.header('content-type', 'application/x-ndjson').send(lines as z.infer<typeof errorsPage>)
    },
  )
  app.patch(
    '/v1/errors',
    {
      config: { role: 'operate' },
      schema: {
        ...body,
        summary: 'Skip some of them, open them again, or say whose value is wanted',
        body: editRequest,
        response: answers('How many were changed.', editAnswer),
      },
    },
    async (request) => ({ changed: operations.editErrors(request.body) }),
  )
  app.post(
    '/v1/errors/replay',
    {
      config: { role: 'operate' },
      schema: {
        ...body,
        summary: 'Try them again: all that were not skipped, those that fit, or those with the given ids',
        body: replayRequest,
        response: answers('What became of them.', replayAnswer),
      },
    },
    async (request) => operations.replayErrors(request.body),
  )
}

function* exportLines(operations: Operations, from: number, filter: ErrorsFilter, payload: boolean): Generator<string> {
  for (let cursor: number | null = from; cursor !== null; ) {
    const page: ReturnType<Operations['errors']> = operations.errors(cursor, errorsPageMax, filter, payload)
    for (const item of page.items) yield `${JSON.stringify(item)}\n`
    cursor = page.nextCursor
  }
}
