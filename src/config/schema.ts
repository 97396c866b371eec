/** The whole configuration as one schema: validation, types, JSON Schema and docs/configuration.md all come from here. */
import { z } from 'zod'
import { limitDefaults, moverDefaults, ttlToleranceMs } from '../limits.ts'
import { type AccessToken, roles } from '../roles.ts'
import { accessKinds } from '../routing/access-kind.ts'
import { databaseLayoutOf } from '../routing/database-layout.ts'
import { phases, ratioUnits, readModes, writePolicies } from '../routing/modes.ts'
import { type ThrottleLimitName, throttleLimitNames, throttleLimits } from '../throttle-limits.ts'
import { copyRulesSchema } from './copy-rules-schema.ts'

const text = z.string().min(1)
const bytes = (max: number) => z.number().int().min(1024).max(max)
const atLeastOne = (max: number) => z.number().int().min(1).max(max)
const tebibyte = 1024 ** 4

const hostAndPort = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]\s/]+):\d{1,5}$/, 'expected host:port')
  .refine((value) => Number(value.slice(value.lastIndexOf(':') + 1)) <= 65_535, 'expected a port up to 65535')

const tls = z
  .strictObject({
    ca: text.optional().meta({ description: 'File with the certificate authority, PEM.', examples: ['/etc/ferry/ca.pem'] }),
    cert: text.optional().meta({ description: 'File with the client certificate, PEM.', examples: ['/etc/ferry/client.pem'] }),
    key: text
      .optional()
      .meta({ description: "File with the client certificate's key, PEM.", examples: ['/etc/ferry/client.key'] }),
    servername: text.optional().meta({
      description: 'Name that the certificate must hold; default: the host of the URL.',
      examples: ['redis.example.com'],
    }),
    rejectUnauthorized: z
      .boolean()
      .optional()
      .meta({ description: 'false accepts any certificate. For tests only.', examples: [true] }),
  })
  .optional()
  .meta({ description: 'For rediss:// addresses.' })

const endpoint = z.strictObject({
  url: text.meta({
    description: 'redis://, rediss:// or unix:// address; may hold user, password and database.',
    examples: ['redis://127.0.0.1:6379'],
  }),
  username: text
    .optional()
    .meta({ description: "Ferry's own user for copying and checks; default: the one of the URL.", examples: ['ferry'] }),
  password: text.optional().meta({ description: "Ferry's own password; better kept in the environment.", examples: ['secret'] }),
  tls,
})

const databases = z
  .union([text, z.record(z.string(), z.union([z.number(), z.literal('none')]))])
  .superRefine((setting, context) => {
    try {
      databaseLayoutOf(setting)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  })
  .default('same')
  .meta({
    description:
      "Which database of the target stands for which of the source. `same`: the same number. A map, or text such as `0=0,1=3,2=none`: the source's on the left, the target's on the right, `none` for what is left out; others do not exist on the target. `fold`, or `fold=db{db}:` with a prefix of one's own: all in database 0, keys of the others behind that prefix. See docs/databases.md.",
    examples: [{ '0': 0, '1': 3 }],
  })

const listenAddress = z.union([z.string().regex(/^unix:\/\/\/\S+$/), hostAndPort], {
  error: 'expected host:port or unix:///path',
})

const token = z
  .strictObject({
    token: z.string().min(16).optional(),
    tokenFile: text.optional().meta({ description: 'File whose first line is the token.' }),
    role: z.enum(roles),
  })
  .refine(
    (entry) => (entry.token === undefined) !== (entry.tokenFile === undefined),
    'expected exactly one of token and tokenFile',
  )

const pattern = text.meta({ description: 'Glob over key names, as in SCAN MATCH.' })
const version = z.discriminatedUnion('kind', [
  z.strictObject({ pattern, kind: z.literal('hash-field'), field: text }),
  z.strictObject({ pattern, kind: z.literal('json-path'), path: text }),
  z.strictObject({ pattern, kind: z.literal('number') }),
  z.strictObject({ pattern, kind: z.literal('stream-id') }),
  z.strictObject({ pattern, kind: z.literal('companion-key'), suffix: text }),
])

const throttle = Object.fromEntries(
  throttleLimitNames.map((name) => {
    const { first, most, help } = throttleLimits[name]
    return [name, z.number().min(0).max(most).default(first).meta({ description: help })]
  }),
) as Record<ThrottleLimitName, z.ZodDefault<z.ZodNumber>>

const mover = z.strictObject({
  keysPerSecondMax: z
    .number()
    .int()
    .min(0)
    .max(100_000_000)
    .default(moverDefaults.keysPerSecondMax)
    .meta({ description: '0 = unlimited.' }),
  bytesPerSecondMax: z
    .number()
    .int()
    .min(0)
    .max(tebibyte)
    .default(moverDefaults.bytesPerSecondMax)
    .meta({ description: 'Bytes of values, as they are copied. 0 = unlimited.' }),
  batchKeys: atLeastOne(100_000).default(moverDefaults.batchKeys).meta({ description: 'Keys copied in one round trip.' }),
  batchBytes: bytes(2 ** 30)
    .default(moverDefaults.batchBytes)
    .meta({ description: 'A batch is closed early when its values reach this.' }),
  batchesInFlight: atLeastOne(64).default(moverDefaults.batchesInFlight).meta({ description: 'Batches under way at once.' }),
  carryAccess: z.enum(accessKinds).default('none').meta({
    description:
      'What of the use of keys arrives with them, for the eviction on the target: `idle`, how lately (OBJECT IDLETIME; a source without an LFU policy tells it), or `frequency`, how often (OBJECT FREQ; with one). The target keeps it under a policy of the same kind. Where values go by their type, the target is asked by a script (EVAL) to restore what it dumps itself, which its user has to be allowed. Values above limits.longValueBytes arrive as just used.',
  }),
  ...throttle,
})

const errorQueue = z.strictObject({
  payloadBytesMax: z
    .number()
    .int()
    .min(0)
    .max(2 ** 26)
    .default(0)
    .meta({ description: 'Keys that cannot be copied come with what DUMP gives, where the value is no larger. 0 = none do.' }),
})

const limits = z.strictObject({
  queryBufferBytes: bytes(tebibyte)
    .default(limitDefaults.queryBufferBytes)
    .meta({ description: 'Unanswered request bytes of one client.' }),
  bulkBytes: bytes(tebibyte).default(limitDefaults.bulkBytes).meta({ description: 'One argument.' }),
  argumentsMax: atLeastOne(2 ** 31 - 1)
    .default(limitDefaults.argumentsMax)
    .meta({ description: 'Arguments of one command.' }),
  inlineBytes: bytes(2 ** 30)
    .default(limitDefaults.inlineBytes)
    .meta({ description: 'One inline command.' }),
  outputBufferBytes: bytes(tebibyte)
    .default(limitDefaults.outputBufferBytes)
    .meta({ description: 'Replies that one client has not read.' }),
  clientsMax: atLeastOne(1_000_000).default(limitDefaults.clientsMax).meta({ description: 'Client connections open at once.' }),
  inFlightCommandsMax: atLeastOne(100_000_000)
    .default(limitDefaults.inFlightCommandsMax)
    .meta({ description: 'Unanswered commands of one lane.' }),
  laneBufferBytes: bytes(tebibyte)
    .default(limitDefaults.laneBufferBytes)
    .meta({ description: "Bytes waiting in one lane's socket." }),
  followerTimeoutMs: atLeastOne(3_600_000)
    .default(limitDefaults.followerTimeoutMs)
    .meta({ description: 'A follower silent for so long is cut off; its keys go to the journal.' }),
  authorityWaitMs: z
    .number()
    .int()
    .min(0)
    .max(3_600_000)
    .default(limitDefaults.authorityWaitMs)
    .meta({ description: 'How long commands wait for an authority that is being reconnected.' }),
  holdWaitMs: atLeastOne(60_000)
    .default(limitDefaults.holdWaitMs)
    .meta({ description: "A copy that makes a client's write wait for longer is given up and retried." }),
  longHoldWaitMs: atLeastOne(600_000).default(limitDefaults.longHoldWaitMs).meta({
    description:
      'The same for a long value that cannot be copied while it is written to: one that scripts, transactions or unusual commands write to all the time.',
  }),
  longValueBytes: bytes(tebibyte).default(limitDefaults.longValueBytes).meta({
    description: 'A value that takes more of the memory of its server is copied in pieces, and while it is written to.',
  }),
  journalKeysMax: atLeastOne(1_000_000_000)
    .default(limitDefaults.journalKeysMax)
    .meta({ description: 'Dirty keys kept; beyond it the whole data set is copied again.' }),
})

const scripts = z.strictObject({
  rerun: z
    .array(text)
    .default([])
    .meta({
      description:
        'SHA1s of scripts, and names of functions, that run on both sides, because they do the same from the same keys (no TIME, no random). All others run on the authority, and what they wrote is copied.',
      examples: [['e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 'my_function']],
    }),
})

const gates = z.strictObject({
  verificationMaxAgeMs: z
    .number()
    .int()
    .min(0)
    .max(2_678_400_000)
    .default(0)
    .meta({
      description:
        'Cut-over, completion and a ramp of what is wholly copied want a verification of every key, without a difference, that began no longer ago. 0 = none is wanted.',
      examples: [3_600_000],
    }),
})

const datadog = z.strictObject({
  enabled: z.boolean().default(false).meta({ description: 'Send the metrics to a Datadog agent every 10 s.' }),
  host: text.default('127.0.0.1'),
  port: atLeastOne(65_535).default(8125),
  service: text.default('ferry'),
  env: text.optional().meta({ examples: ['production'] }),
  version: text.optional().meta({ examples: ['1.0.0'] }),
  tags: z.record(z.string(), z.string()).default({}),
})

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

export const configSchema = z
  .strictObject({
    source: endpoint.meta({ description: 'The side that the data is on now.' }),
    target: endpoint.extend({ databases }).meta({ description: 'The side that the data goes to.' }),
    listen: z
      .array(listenAddress)
      .min(1)
      .default(['127.0.0.1:7379'])
      .meta({ description: 'Where clients connect: host:port or unix:///path.' }),
    clusterMode: z.boolean().default(false).meta({
      description:
        'Clients see a cluster of one node, Ferry, with all slots, and database 0 alone; false: a server in no cluster.',
    }),
    announce: hostAndPort.optional().meta({
      description: 'What clients are told to connect to in cluster mode; default: the address where each of them has connected.',
      examples: ['ferry.example.com:7379'],
    }),
    control: hostAndPort
      .default('127.0.0.1:7380')
      .meta({ description: 'Control API, metrics and status page. Off loopback it needs tokens.' }),
    tokens: z
      .array(token)
      .default([])
      .meta({
        description: 'Bearer tokens of the control API. Without any, everybody on loopback is admin.',
        examples: [[{ tokenFile: '/run/secrets/ferry-token', role: 'operate' }]],
      }),
    state: text.default('./ferry.sqlite').meta({ description: 'SQLite file with the phase, the journal and the progress.' }),
    phase: z.enum(phases).default('observe').meta({ description: 'Where a new state begins; an existing state keeps its own.' }),
    policy: z.enum(writePolicies).default('old-authoritative').meta({ description: 'First write policy of a new state.' }),
    readMode: z.enum(readModes).default('old').meta({ description: 'First read mode of a new state.' }),
    percent: z.number().min(0).max(100).default(0).meta({ description: 'First share of reads on the target, for ratio.' }),
    ratioBy: z.enum(ratioUnits).default('slot').meta({ description: 'What the share is counted in.' }),
    tenants: z
      .array(text)
      .default([])
      .meta({ description: 'Tenants that are on the target: key patterns, ACL users or client names.' }),
    versions: z
      .array(version)
      .default([])
      .meta({
        description: 'Where version-compare finds the version of a value; the first pattern that fits counts.',
        examples: [[{ pattern: 'user:*', kind: 'hash-field', field: 'version' }]],
      }),
    readRepair: z.boolean().default(false).meta({ description: 'fallback-on-miss copies a key that only the source had.' }),
    mover: mover.prefault({}).meta({
      description: 'First limits of the mover; `ferry mover set` changes them live. `carryAccess` stays as it is here.',
    }),
    copy: copyRulesSchema.prefault({}).meta({
      description:
        'Rules of `ferry copy`. `ferry serve` makes both sides equal, so it takes none that would leave them different; with onConflict replace it begins on a target that has keys.',
    }),
    errorQueue: errorQueue.prefault({}).meta({ description: 'Keys that could not be copied; `ferry errors` works on them.' }),
    scripts: scripts.prefault({}).meta({ description: 'How scripts and functions are carried.' }),
    gates: gates.prefault({}).meta({ description: 'What holds a step back until it is done.' }),
    limits: limits.prefault({}).meta({ description: 'Bounds; the defaults are those of Redis where it has one.' }),
    allowCommands: z
      .array(text)
      .default([])
      .meta({
        description: 'Commands that are refused otherwise, by name; docs/commands.md says which can be allowed.',
        examples: [['config|set', 'debug']],
      }),
    ttlToleranceMs: z
      .number()
      .int()
      .min(0)
      .max(3_600_000)
      .default(ttlToleranceMs)
      .meta({ description: 'Expiry times that differ by less count as equal.' }),
    logLevel: z.enum(logLevels).default('info'),
    datadog: datadog.prefault({}).meta({ description: 'Off unless enabled.' }),
  })
  .superRefine((config, context) => {
    if (isLoopback(config.control) || config.tokens.length > 0) return
    context.addIssue({
      code: 'custom',
      path: ['control'],
      message: 'expected a loopback address, or an entry in tokens',
    })
  })

type ParsedConfig = z.infer<typeof configSchema>

/** The files of its tokens were read. */
export type Config = Omit<ParsedConfig, 'tokens'> & { readonly tokens: readonly AccessToken[] }

function isLoopback(address: string): boolean {
  const host = address.slice(0, address.lastIndexOf(':'))
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}
