/** Errors as problem documents (RFC 9457); the codes are those of the wire and the command line. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { type ErrorCode, errorCatalogue, FerryError } from '../errors.ts'
import type { problemDocument } from './schemas.ts'

type ProblemDocument = z.infer<typeof problemDocument>

const problemType = 'application/problem+json'
const retryAfterSeconds = 1

function problemOf(error: FerryError): ProblemDocument {
  return {
    type: `urn:ferry:problem:${error.code}`,
    title: titleOf(error.code),
    status: error.httpStatus,
    code: error.code,
    detail: error.message,
    errors: [...error.details],
  }
}

function sendProblem(reply: FastifyReply, error: FerryError): FastifyReply {
  const { http } = errorCatalogue[error.code]
  if (http === 503) reply.header('retry-after', retryAfterSeconds)
  if (http === 401) reply.header('www-authenticate', 'Bearer realm="ferry"')
  // Serialized here: the route's own response schemas do not apply to its failures.
  return reply.code(http).type(`${problemType}; charset=utf-8`).serializer(JSON.stringify).send(problemOf(error))
}

export function handleError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = asFerryError(error)
  if (known.code === 'internal') request.log.error({ err: error, route: request.routeOptions.url }, 'request failed')
  return sendProblem(reply, known)
}

export function handleNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0]
  return sendProblem(reply, new FerryError('not-found', `there is no ${request.method} ${path}`))
}

function asFerryError(error: FastifyError): FerryError {
  if (error instanceof FerryError) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    const details = error.validation.map(
      (issue) => `${error.validationContext ?? 'request'}${issue.instancePath}: ${issue.message}`,
    )
    return new FerryError('bad-request', details[0] ?? error.message, { details, cause: error })
  }
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500) return new FerryError('bad-request', error.message, { cause: error })
  return new FerryError('internal', 'the request failed; the log of Ferry says why', { cause: error })
}

const titleOf = (code: ErrorCode): string => {
  const words = code.replaceAll('-', ' ')
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}
