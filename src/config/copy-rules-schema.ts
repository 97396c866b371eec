/** The rules of `ferry copy`, for the configuration file and for its flags alike. */
import { z } from 'zod'
import { conflictRules, expiryRules, stringRules } from '../routing/copy-rules.ts'

const text = z.string().min(1)
const bound = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

const filter = z
  .strictObject({
    include: z
      .array(text)
      .default([])
      .meta({
        description: 'Globs over the names on the source, as in SCAN MATCH; a key has to fit one of them. None: all do.',
        examples: [['user:*', 'session:*']],
      }),
    exclude: z
      .array(text)
      .default([])
      .meta({ description: 'Globs that a key must not fit; they count more than `include`.', examples: [['tmp:*']] }),
    types: z
      .array(text)
      .default([])
      .meta({
        description: 'As TYPE tells them: string, list, set, zset, hash, stream, or one of a module. None: all.',
        examples: [['hash', 'zset']],
      }),
    databases: z
      .array(z.number().int().min(0).max(1_000_000))
      .default([])
      .meta({ description: 'None: all.', examples: [[0, 3]] }),
    sizeBytesMin: bound.default(0).meta({ description: 'Of a key with its value in the memory of the source (MEMORY USAGE).' }),
    sizeBytesMax: bound.default(0).meta({ description: '0 = unlimited.' }),
    ttlMsMin: bound.default(0).meta({ description: 'What a key that expires has left at least.' }),
    ttlMsMax: bound.default(0).meta({ description: 'And at most; 0 = unlimited.' }),
    expiry: z.enum(expiryRules).default('any').meta({ description: 'Only keys that expire, only keys that never do, or both.' }),
  })
  .refine((rules) => rules.sizeBytesMax === 0 || rules.sizeBytesMin <= rules.sizeBytesMax, {
    path: ['sizeBytesMax'],
    error: 'expected at least sizeBytesMin',
  })
  .refine((rules) => rules.ttlMsMax === 0 || rules.ttlMsMin <= rules.ttlMsMax, {
    path: ['ttlMsMax'],
    error: 'expected at least ttlMsMin',
  })

const rename = z
  .array(
    z.strictObject({
      from: text.meta({ description: 'Prefix on the source.' }),
      to: z.string().meta({ description: 'What stands in its place on the target; may be empty.' }),
    }),
  )
  .refine((rules) => new Set(rules.map(({ from }) => from)).size === rules.length, 'expected each prefix once')

const merge = z.strictObject({
  strings: z.enum(stringRules).default('newer').meta({
    description:
      'Which of two strings is kept: the one that was read or written last (OBJECT IDLETIME, in seconds; on a tie the target), the source’s, or the target’s.',
  }),
})

export const copyRulesSchema = z.strictObject({
  onConflict: z.enum(conflictRules).default('refuse').meta({
    description:
      'A target that has keys already: not copied to, or for each key that it has: left as it is, replaced, or merged by type.',
  }),
  merge: merge.prefault({}).meta({ description: 'For onConflict merge.' }),
  filter: filter.prefault({}).meta({ description: 'Which keys are copied; the others are left alone on both sides.' }),
  rename: rename.default([]).meta({
    description: 'Names by prefix; the longest one that fits counts.',
    examples: [[{ from: 'app1:', to: 'app2:' }]],
  }),
})
