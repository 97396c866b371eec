/** Every document that the control API takes or gives. Types, validation and the OpenAPI document all come from here. */
import { z } from 'zod'
import { migrationStates, phases, ratioUnits, readModes, sides, strategies, writePolicies } from '../routing/modes.ts'

const count = z.number().int().nonnegative()

export const sideStatus = z.strictObject({
  state: z.enum(['startup', 'up', 'down']),
  url: z.string().meta({ description: 'Redacted: never holds a password.' }),
  server: z.string().nullable().meta({ description: 'Family and version as the server tells them, e.g. "redis 7.0.15".' }),
  connections: count,
  inFlight: count.meta({ description: 'Commands sent and not answered yet.' }),
  lastError: z.string().nullable(),
})

export const trafficSettings = z.strictObject({
  readMode: z.enum(readModes),
  writePolicy: z.enum(writePolicies),
  readPercentage: z.number().min(0).max(100),
  ratioBy: z.enum(ratioUnits),
  tenants: z.array(z.string()),
})

export const trafficPatch = trafficSettings
  .partial()
  .extend({ reason: z.string().max(1000).optional() })
  .strict()

export const moverStatus = z.strictObject({
  state: z.enum(['idle', 'running', 'paused', 'done', 'failed']),
  pass: z
    .enum(['copy', 'sweep'])
    .nullable()
    .meta({ description: 'copy reads the source; sweep removes from the target what the source does not have.' }),
  keysTotal: count.meta({ description: "The authority's key count when the pass began; an estimate while traffic runs." }),
  keysScanned: count,
  keysCopied: count,
  keysDeleted: count,
  keysRetried: count,
  keysFailed: count,
  bytesCopied: count,
  keysPerSecond: z.number().nonnegative(),
  bytesPerSecond: z.number().nonnegative(),
  etaSeconds: z.number().nonnegative().nullable(),
  startedAt: z.string().nullable(),
  throttle: z.string().nullable().meta({ description: 'Why the mover is slower than it could be, or null.' }),
  lastError: z.string().nullable(),
  limits: z.strictObject({
    keysPerSecondMax: count.meta({ description: '0 = unlimited' }),
    batchKeys: count,
    batchBytes: count,
    batchesInFlight: count,
  }),
})

export const moverPatch = z
  .strictObject({
    keysPerSecondMax: z.number().int().min(0).max(100_000_000),
    batchKeys: z.number().int().min(1).max(100_000),
    batchBytes: z
      .number()
      .int()
      .min(1024)
      .max(1 << 30),
    batchesInFlight: z.number().int().min(1).max(64),
  })
  .partial()

export const journalStatus = z.strictObject({
  dirtyKeys: count.meta({ description: 'Keys whose two sides may differ until they are healed.' }),
  openHolds: count,
  healed: count,
  failed: count.meta({ description: 'Keys in the error queue.' }),
  resyncNeeded: z.string().nullable().meta({ description: 'Why the whole data set must be copied again, or null.' }),
})

export const statusDocument = z.strictObject({
  version: z.string(),
  phase: z.enum(phases),
  state: z.enum(migrationStates),
  strategy: z.enum(strategies).nullable(),
  authority: z.enum(sides),
  traffic: trafficSettings,
  source: sideStatus,
  target: sideStatus,
  mover: moverStatus,
  journal: journalStatus,
  coveragePercent: z.number().min(0).max(100).meta({ description: 'Share of the key space known to be copied.' }),
  clients: count,
  commandsTotal: count,
  clientErrorsTotal: count.meta({ description: "Ferry's own error replies." }),
  divergencesTotal: count,
  holdWaitMaxMs: z.number().nonnegative(),
  verification: z.strictObject({ at: z.string().nullable(), differences: count.nullable() }),
  blockers: z.array(z.string()).meta({ description: 'What stands in the way of the next step; empty = free to go on.' }),
  nextSteps: z.array(z.string()),
  uptimeSeconds: z.number().nonnegative(),
})

export const migrationRequest = z.strictObject({
  reason: z.string().max(1000).optional(),
  dryRun: z.boolean().optional(),
  expectedPhase: z.enum(phases).optional(),
})
export const startRequest = migrationRequest.extend({ strategy: z.enum(strategies).optional() }).strict()
export const rampRequest = migrationRequest.extend({ percent: z.number().min(0).max(100) }).strict()
export const rollbackRequest = migrationRequest.extend({ to: z.enum(['mirror', 'observe']).optional() }).strict()

export const migrationAnswer = z.strictObject({
  applied: z.boolean().meta({ description: 'false for a dry run.' }),
  blockers: z.array(z.string()),
  steps: z.array(z.string()).meta({ description: 'What was done, or would be.' }),
  status: statusDocument,
})

export const eventDocument = z.strictObject({
  id: count,
  at: z.string(),
  kind: z.string().meta({ description: 'e.g. phase, traffic, mover, gate, side, journal, verify' }),
  message: z.string(),
  reason: z.string().nullable(),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
})

export const failedKey = z.strictObject({
  id: count,
  db: count,
  keyBase64: z.string(),
  key: z.string().meta({ description: 'For reading: UTF-8 with \\xHH for the rest.' }),
  type: z.string().nullable(),
  sizeBytes: count.nullable(),
  ttlMs: z.number().nullable(),
  attempts: count,
  error: z.string(),
  firstAt: z.string(),
  lastAt: z.string(),
})

export const errorsPage = z.strictObject({ total: count, items: z.array(failedKey), nextCursor: count.nullable() })
export const replayRequest = z.strictObject({ ids: z.array(count).optional().meta({ description: 'Absent: all of them.' }) })
export const replayAnswer = z.strictObject({ replayed: count })

export const difference = z.strictObject({
  db: count,
  keyBase64: z.string(),
  key: z.string(),
  kind: z
    .enum(['missing', 'extra', 'type', 'value', 'ttl'])
    .meta({ description: 'missing/extra: on the target, seen from the source.' }),
  detail: z.string(),
})

export const verifyRequest = z.strictObject({
  repair: z.boolean().optional(),
  ttlToleranceMs: z.number().int().min(0).max(3_600_000).optional(),
  rounds: z.number().int().min(1).max(20).optional(),
})

export const verifyReport = z.strictObject({
  id: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  keysCompared: count,
  keysPerSecond: z.number().nonnegative(),
  differences: count.meta({ description: 'type + value differences' }),
  missing: count,
  extra: count,
  ttlDifferences: count,
  repaired: count,
  samples: z.array(difference).meta({ description: 'The first hundred.' }),
  error: z.string().nullable(),
})

export const problemDocument = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.string()),
})

export type SideStatus = z.infer<typeof sideStatus>
export type TrafficSettings = z.infer<typeof trafficSettings>
export type TrafficPatch = z.infer<typeof trafficPatch>
export type MoverStatus = z.infer<typeof moverStatus>
export type MoverPatch = z.infer<typeof moverPatch>
export type StatusDocument = z.infer<typeof statusDocument>
export type MigrationRequest = z.infer<typeof migrationRequest>
export type MigrationAnswer = z.infer<typeof migrationAnswer>
export type EventDocument = z.infer<typeof eventDocument>
export type FailedKey = z.infer<typeof failedKey>
export type VerifyRequest = z.infer<typeof verifyRequest>
export type VerifyReport = z.infer<typeof verifyReport>
