/** Every document that the control API takes or gives. Types, validation and the OpenAPI document all come from here. */
import { z } from 'zod'
import { failureClasses } from '../routing/copy-failure.ts'
import { migrationStates, phases, ratioUnits, readModes, sides, strategies, writePolicies } from '../routing/modes.ts'
import { type ThrottleLimitName, throttleLimitNames, throttleLimits } from '../throttle-limits.ts'

const count = z.number().int().nonnegative()
const wantedSides = ['authority', ...sides] as const

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

const throttle = Object.fromEntries(
  throttleLimitNames.map((name) => {
    const { most, help } = throttleLimits[name]
    return [name, z.number().min(0).max(most).meta({ description: help })]
  }),
) as Record<ThrottleLimitName, z.ZodNumber>

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
  speedPercent: z
    .number()
    .min(0)
    .max(100)
    .meta({ description: 'What live traffic leaves the mover of full speed; 0 = it rests.' }),
  lastError: z.string().nullable(),
  account: z
    .strictObject({
      scanned: count,
      copied: count,
      skipped: count.meta({ description: 'By a rule: outside of the range, or decided by the other side.' }),
      vanished: count.meta({ description: 'Gone between the scan and the copy.' }),
      exported: count.meta({ description: 'Into the error queue.' }),
      waiting: count.meta({ description: 'Under way, or in the journal.' }),
    })
    .meta({ description: 'What became of every key that the copy came by: the others add up to scanned.' }),
  limits: z.strictObject({
    keysPerSecondMax: count.meta({ description: '0 = unlimited' }),
    bytesPerSecondMax: count.meta({ description: '0 = unlimited' }),
    batchKeys: count,
    batchBytes: count,
    batchesInFlight: count,
    ...throttle,
  }),
})

export const moverPatch = z
  .strictObject({
    keysPerSecondMax: z.number().int().min(0).max(100_000_000),
    bytesPerSecondMax: z
      .number()
      .int()
      .min(0)
      .max(1024 ** 4),
    batchKeys: z.number().int().min(1).max(100_000),
    batchBytes: z
      .number()
      .int()
      .min(1024)
      .max(1 << 30),
    batchesInFlight: z.number().int().min(1).max(64),
    ...throttle,
  })
  .partial()

export const journalStatus = z.strictObject({
  dirtyKeys: count.meta({ description: 'Keys whose two sides may differ until they are healed.' }),
  openHolds: count,
  healed: count,
  failed: count.meta({ description: 'Keys in the error queue.' }),
  resyncNeeded: z.string().nullable().meta({ description: 'Why the whole data set must be copied again, or null.' }),
})

const besideKey = z.strictObject({
  source: count.nullable().meta({ description: 'How many; null = not known, or not permitted to ask.' }),
  target: count.nullable(),
  differing: count.nullable().meta({ description: 'That are not the same on both sides.' }),
})

export const besideKeys = z
  .strictObject({
    functions: besideKey.meta({ description: 'Libraries; carried by the mover.' }),
    users: besideKey.meta({ description: 'ACL users; not carried by the mover: `ferry settings` will.' }),
    settings: besideKey.meta({
      description: 'CONFIG, without what is a server’s own; not carried by the mover: `ferry settings` will.',
    }),
    askedAt: z.string().nullable(),
  })
  .meta({ description: 'What the servers hold beside keys, counted at most once a minute.' })

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
  besideKeys,
  coveragePercent: z.number().min(0).max(100).meta({ description: 'Share of the key space known to be copied.' }),
  clients: count,
  commandsTotal: count,
  clientErrorsTotal: count.meta({ description: "Ferry's own error replies." }),
  divergencesTotal: count,
  holdWaitMaxMs: z.number().nonnegative(),
  verification: z
    .strictObject({
      at: z.string().nullable().meta({ description: 'When the last one of every key ended.' }),
      differences: count.nullable().meta({ description: 'What it left.' }),
      ageSeconds: z
        .number()
        .nonnegative()
        .nullable()
        .meta({ description: 'Since it began; null = there is none, or what it said may not hold any more.' }),
      maxAgeSeconds: z
        .number()
        .nonnegative()
        .nullable()
        .meta({ description: 'An older one holds back the steps to the target (gates.verificationMaxAgeMs); null = no gate.' }),
    })
    .meta({ description: 'Of every key; a sample does not count.' }),
  blockers: z.array(z.string()).meta({ description: 'What stands in the way of the next step; empty = free to go on.' }),
  nextSteps: z.array(z.string()),
  uptimeSeconds: z.number().nonnegative(),
})

export const migrationRequest = z.strictObject({
  reason: z.string().max(1000).optional(),
  dryRun: z.boolean().optional(),
  expectedPhase: z.enum(phases).optional(),
})
const conflict = {
  onConflict: z.enum(['refuse', 'replace']).default('refuse').meta({
    description:
      'Of a target that has keys before anything was copied there: not begun (blocked), or they are given up for what the source has.',
  }),
}
export const startRequest = migrationRequest.extend({ strategy: z.enum(strategies).optional(), ...conflict }).strict()
export const rampRequest = migrationRequest.extend({ percent: z.number().min(0).max(100), ...conflict }).strict()
export const moverStartRequest = z.strictObject({ reason: z.string().max(1000).optional(), ...conflict })
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
  class: z.enum(failureClasses).meta({ description: 'What the words mean; docs/errors.md says what to do about each.' }),
  error: z.string().meta({ description: 'The last words of the server.' }),
  saidBy: z.enum(sides).nullable(),
  from: z.enum(wantedSides).meta({ description: 'Whose value is wanted; authority: of whichever side has it by then.' }),
  state: z.enum(['open', 'replaying', 'skipped']),
  note: z.string().nullable(),
  payloadBase64: z.string().nullable().meta({ description: 'What DUMP gave, where it was kept and asked for.' }),
  firstAt: z.string(),
  lastAt: z.string(),
})

/** All that are given must hold. */
export const errorsFilter = z.strictObject({
  class: z.enum(failureClasses).optional(),
  pattern: z.string().min(1).max(1024).optional().meta({ description: 'As of SCAN MATCH.' }),
  keyBase64: z.base64().optional().meta({ description: 'This key alone.' }),
  db: z.coerce.number().int().nonnegative().optional(),
  state: z.enum(['open', 'replaying', 'skipped']).optional(),
  olderThanSeconds: z.coerce.number().nonnegative().optional().meta({ description: 'Since it failed last.' }),
  newerThanSeconds: z.coerce.number().nonnegative().optional(),
})

export const errorsPage = z.strictObject({
  total: count.meta({ description: 'That fit, the pattern aside.' }),
  byClass: z.partialRecord(z.enum(failureClasses), count).meta({ description: 'Of the whole queue, without what was skipped.' }),
  items: z.array(failedKey),
  nextCursor: count.nullable().meta({ description: 'With a pattern a page may be short and not the last: null says so.' }),
})

const chosen = {
  ids: z.array(count).max(100_000).optional().meta({ description: 'These; absent: all that fit the filter.' }),
  filter: errorsFilter.optional(),
}

export const replayRequest = z.strictObject({
  ...chosen,
  waitMs: z.number().int().min(0).max(60_000).default(0).meta({ description: 'How long to wait for what becomes of them.' }),
})
export const replayAnswer = z.strictObject({
  replayed: count,
  settled: count.meta({ description: 'The same on both sides now.' }),
  failed: count.meta({ description: 'Refused anew, and back in the queue.' }),
  waiting: count.meta({ description: 'Still being tried.' }),
})

export const editRequest = z
  .strictObject({
    ...chosen,
    state: z.enum(['open', 'skipped']).optional().meta({ description: 'skipped: nobody is to be bothered with it any more.' }),
    note: z.string().max(1000).optional(),
    from: z.enum(wantedSides).optional().meta({ description: 'Whose value a replay is to take.' }),
  })
  .refine(({ ids, filter }) => ids !== undefined || filter !== undefined, 'expected ids or a filter')
  .refine(
    ({ state, note, from }) => state !== undefined || note !== undefined || from !== undefined,
    'expected a state, a note or a side',
  )
export const editAnswer = z.strictObject({ changed: count })

export const difference = z.strictObject({
  db: count,
  keyBase64: z.string(),
  key: z.string(),
  type: z.string().meta({ description: 'Of the source, or of the side that has the key.' }),
  kind: z
    .enum(['missing', 'extra', 'type', 'value', 'ttl'])
    .meta({ description: 'missing/extra: on the target, seen from the source.' }),
  detail: z.string(),
})

export const verifyRequest = z
  .strictObject({
    repair: z.boolean().optional(),
    ttlToleranceMs: z.number().int().min(0).max(3_600_000).optional(),
    rounds: z.number().int().min(1).max(20).optional().meta({ description: 'The first one reads everything.' }),
    settleMs: z.number().int().min(0).max(600_000).optional().meta({ description: 'Waited before each round but the first.' }),
    samplePercent: z.number().gt(0).max(100).optional().meta({ description: 'Of the keys, by their names; absent: all.' }),
    sampleKeys: z
      .number()
      .int()
      .min(1)
      .max(10_000_000)
      .optional()
      .meta({ description: 'About so many keys, drawn by the servers, in place of a share.' }),
    keysPerSecondMax: z.number().int().min(0).max(100_000_000).optional().meta({ description: '0 = unlimited' }),
    resume: z.boolean().optional().meta({ description: 'Go on where an earlier one was interrupted; else it is forgotten.' }),
  })
  .refine(
    ({ samplePercent, sampleKeys }) => samplePercent === undefined || sampleKeys === undefined,
    'expected one kind of sample',
  )
  .refine(({ resume, sampleKeys }) => !resume || sampleKeys === undefined, 'keys that are drawn cannot be resumed')

const foundByKind = z.strictObject({ missing: count, extra: count, type: count, value: count, ttl: count })

export const verifyReport = z.strictObject({
  id: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  stage: z
    .enum(['source', 'target', 'settling', 'repairing', 'ended'])
    .meta({ description: 'source, target: whose keys are being read.' }),
  scope: z.enum(['full', 'sample']),
  startedAt: z.string().meta({ description: 'Of the one that was resumed, where one was.' }),
  finishedAt: z.string().nullable(),
  resumed: z.string().nullable().meta({ description: 'Where it went on, or why it did not; null = not asked for.' }),
  keysTotal: count.meta({ description: 'Of both sides together when it began; an estimate while traffic runs.' }),
  keysScanned: count.meta({ description: 'Seen so far; a key of both sides counts twice.' }),
  keysCompared: count,
  keysPerSecond: z.number().nonnegative(),
  differences: count.meta({ description: 'type + value differences' }),
  typeDifferences: count,
  missing: count,
  extra: count,
  ttlDifferences: count,
  repaired: count,
  types: z.array(z.strictObject({ type: z.string(), keysCompared: count, found: foundByKind })),
  patterns: z
    .array(z.strictObject({ pattern: z.string(), type: z.string(), found: foundByKind, examples: z.array(z.string()) }))
    .meta({ description: 'What differs by names, in which * stands for numbers and identifiers: the hundred most frequent.' }),
  patternKeysLeftOut: count.meta({ description: 'Keys that differ and are in none of these patterns.' }),
  looks: z
    .strictObject({ bytes: count, payload: count, digest: count, value: count })
    .meta({ description: 'How many keys were decided about by their bytes, payloads, digests of payloads, and meaning.' }),
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
export type BesideKeys = z.infer<typeof besideKeys>
export type StatusDocument = z.infer<typeof statusDocument>
export type MigrationRequest = z.infer<typeof migrationRequest>
export type StartRequest = z.infer<typeof startRequest>
export type RampRequest = z.infer<typeof rampRequest>
export type MoverStartRequest = z.infer<typeof moverStartRequest>
export type MigrationAnswer = z.infer<typeof migrationAnswer>
export type EventDocument = z.infer<typeof eventDocument>
export type FailedKey = z.infer<typeof failedKey>
export type ErrorsFilter = z.infer<typeof errorsFilter>
export type ErrorsPage = z.infer<typeof errorsPage>
export type ReplayRequest = z.infer<typeof replayRequest>
export type ReplayAnswer = z.infer<typeof replayAnswer>
export type EditRequest = z.infer<typeof editRequest>
export type VerifyRequest = z.infer<typeof verifyRequest>
export type VerifyReport = z.infer<typeof verifyReport>
