/** The flags of `ferry copy` that say what becomes of keys; each one counts more than its key in the configuration file. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { copyRulesSchema } from '../config/copy-rules-schema.ts'
import { FerryError } from '../errors.ts'
import { type CopyRules, conflictRules, expiryRules, type RenameRule, stringRules } from '../routing/copy-rules.ts'
import { wholeNumber } from './numbers.ts'

export interface CopyRuleFlags {
  readonly onConflict?: CopyRules['onConflict']
  readonly mergeStrings?: CopyRules['merge']['strings']
  readonly include?: string[]
  readonly exclude?: string[]
  readonly type?: string[]
  readonly database?: number[]
  readonly sizeBytesMin?: number
  readonly sizeBytesMax?: number
  readonly ttlMsMin?: number
  readonly ttlMsMax?: number
  readonly expiry?: CopyRules['filter']['expiry']
  readonly rename?: RenameRule[]
}

export function withCopyRules(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--on-conflict <rule>',
        'a target that has keys: refuse to begin (the default), or for each key that it has: skip it, replace it, merge both by type',
      ).choices(conflictRules),
    )
    .addOption(
      new Option('--merge-strings <rule>', 'which of two strings a merge keeps (default: the newer)').choices(stringRules),
    )
    .option('--include <glob>', 'only keys that fit, as in SCAN MATCH; may be repeated', added)
    .option('--exclude <glob>', 'no keys that fit; may be repeated', added)
    .option('--type <type>', 'only values of this type, as TYPE tells it; may be repeated', added)
    .option('--database <n>', 'only this database; may be repeated', (text, list: number[] = []) => [...list, wholeNumber(text)])
    .option('--size-bytes-min <n>', 'only keys that take at least so much memory', wholeNumber)
    .option('--size-bytes-max <n>', 'and at most', wholeNumber)
    .option('--ttl-ms-min <n>', 'of keys that expire, only those with at least so much left', wholeNumber)
    .option('--ttl-ms-max <n>', 'and at most', wholeNumber)
    .addOption(new Option('--expiry <rule>', 'only keys that expire, or only those that never do').choices(expiryRules))
    .option('--rename <from=to>', 'another prefix on the target; the longest that fits counts; may be repeated', renaming)
}

/** @throws FerryError `bad-request` for flags that do not go together. */
export function copyRulesOf(flags: CopyRuleFlags, file: CopyRules | null): CopyRules {
  const told = {
    ...file,
    ...given({ onConflict: flags.onConflict, rename: flags.rename }),
    merge: { ...file?.merge, ...given({ strings: flags.mergeStrings }) },
    filter: {
      ...file?.filter,
      ...given({
        include: flags.include,
        exclude: flags.exclude,
        types: flags.type,
        databases: flags.database,
        sizeBytesMin: flags.sizeBytesMin,
        sizeBytesMax: flags.sizeBytesMax,
        ttlMsMin: flags.ttlMsMin,
        ttlMsMax: flags.ttlMsMax,
        expiry: flags.expiry,
      }),
    },
  }
  const rules = copyRulesSchema.safeParse(told)
  if (rules.success) return rules.data
  const issue = rules.error.issues[0]
  throw new FerryError('bad-request', `${issue?.path.join('.')}: ${issue?.message}`)
}

const given = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))

const added = (text: string, list: string[] = []): string[] => [...list, text]

function renaming(text: string, list: RenameRule[] = []): RenameRule[] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('expected two prefixes with = between them.')
  return [...list, { from: text.slice(0, at), to: text.slice(at + 1) }]
}
