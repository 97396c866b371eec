/** The API's own description, made from the same schemas that validate it. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { z } from 'zod'
import * as schemas from './schemas.ts'

type Described = ReturnType<typeof jsonSchemaTransformObject> & { components?: { schemas?: Record<string, unknown> } }

/** Those that are worth a name of their own in a generated client. */
const named = {
  StatusDocument: schemas.statusDocument,
  SideStatus: schemas.sideStatus,
  TrafficSettings: schemas.trafficSettings,
  MoverStatus: schemas.moverStatus,
  JournalStatus: schemas.journalStatus,
  MigrationAnswer: schemas.migrationAnswer,
  EventDocument: schemas.eventDocument,
  FailedKey: schemas.failedKey,
  ErrorsPage: schemas.errorsPage,
  Difference: schemas.difference,
  VerifyReport: schemas.verifyReport,
  ProblemDocument: schemas.problemDocument,
}

for (const [id, schema] of Object.entries(named)) z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), id })

/** Must be awaited before the routes are added: it sees only those that come after it. */
export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Ferry control API', version },
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Needed once tokens are configured.' } },
      },
    },
    transform: (document) => {
      const { schema, url } = jsonSchemaTransform(document)
      const { config, method } = document.route
      const role = config?.role ?? 'open'
      return {
        url,
        schema: {
          ...schema,
          operationId: operationId(String(method), url),
          ...(role === 'open' ? {} : { security: [{ bearer: [] }], description: `Needs the role \`${role}\`.` }),
        },
      }
    },
    transformObject: (document) => {
      const described: Described = jsonSchemaTransformObject(document)
      // Each named schema comes twice; the form for requests is not used, since none of them is a request.
      const answered = described.components?.schemas ?? {}
      for (const name of Object.keys(answered)) if (name.endsWith('Input')) delete answered[name]
      return described
    },
  })
}

/** `POST /v1/verify/:id` becomes `postVerifyId`. */
function operationId(method: string, url: string): string {
  const words = url.replace('/v1/', '/').split(/[^a-zA-Z0-9]+/)
  return method.toLowerCase() + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
}
