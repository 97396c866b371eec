/** What every route file gets. */
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { EventStreams } from '../event-stream.ts'
import type { Operations } from '../operations.ts'
import { problemDocument } from '../schemas.ts'

export type ControlApp = FastifyInstance<
  RawServerDefault,
  import('node:http').IncomingMessage,
  import('node:http').ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

export interface RouteContext {
  readonly operations: Operations
  readonly metrics: () => Promise<{ contentType: string; body: string }>
  readonly streams: EventStreams
}

/** The answers of a route in the API's description: its own, and the problem document for everything else. */
export function answers<Ok>(description: string, ok: Ok) {
  const problem = { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemDocument } } }
  return { 200: json(description, ok), default: problem }
}

export function json<Body>(description: string, body: Body) {
  return { description, content: { 'application/json': { schema: body } } }
}
