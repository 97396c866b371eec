/** The control API, built from what it may ask of the process and nothing else. Listening and closing is the caller's. */
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { controlBodyBytes } from '../limits.ts'
import type { AccessToken } from '../roles.ts'
import { guardRoutes } from './auth.ts'
import { EventStreams } from './event-stream.ts'
import { describeApi } from './openapi.ts'
import type { Operations } from './operations.ts'
import { handleError, handleNotFound } from './problems.ts'
import type { ControlApp, RouteContext } from './routes/context.ts'
import { divergenceRoutes } from './routes/divergence.ts'
import { errorRoutes } from './routes/errors.ts'
import { eventRoutes } from './routes/events.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { migrationRoutes } from './routes/migration.ts'
import { moverRoutes } from './routes/mover.ts'
import { pageRoutes } from './routes/page.ts'
import { statusRoutes } from './routes/status.ts'
import { trafficRoutes } from './routes/traffic.ts'
import { verifyRoutes } from './routes/verify.ts'

interface ControlAppOptions {
  readonly operations: Operations
  readonly metrics: () => Promise<{ contentType: string; body: string }>
  /** Empty: whoever reaches the address is admin, so it must be a loopback one. */
  readonly tokens: readonly AccessToken[]
  readonly logger: FastifyBaseLogger
}

const routes = [
  pageRoutes,
  healthRoutes,
  metricsRoutes,
  statusRoutes,
  eventRoutes,
  trafficRoutes,
  migrationRoutes,
  moverRoutes,
  errorRoutes,
  verifyRoutes,
  divergenceRoutes,
]

export function buildControlApp({ operations, metrics, tokens, logger }: ControlAppOptions): FastifyInstance {
  const app: FastifyInstance = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: controlBodyBytes,
    // Idle keep-alive connections of scrapers and pages must not hold a stop up.
    forceCloseConnections: 'idle',
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
  guardRoutes(app, tokens)
  app.addHook('preValidation', async (request) => {
    // Every member of every body is optional or checked, so no body means an empty one.
    if (request.method !== 'GET' && request.body == null) request.body = {}
  })
  app.addHook('onResponse', async (request, reply) => {
    if (request.method === 'GET' || request.method === 'HEAD') return
    logger.info({ method: request.method, url: request.url, status: reply.statusCode }, 'control request')
  })
  const streams = new EventStreams(operations)
  app.addHook('preClose', async () => streams.closeAll())

  const context: RouteContext = { operations, metrics, streams }
  app.register(async (scope) => {
    await describeApi(scope, operations.status().version)
    const typed: ControlApp = scope.withTypeProvider<ZodTypeProvider>()
    for (const route of routes) route(typed, context)
  })
  return app
}
