/** Refused commands that the configuration may allow by name (`allowCommands`), and where each of them then goes. */
import { type ArgView, argBytes } from './arg-view.ts'

/**
 * `both`: each side gets it, since it is to stay alike on them; the reply is the authority's. `authority`: that server's own business.
 * `doubt`: the authority, which may hold anything afterwards, so everything is copied again. `keys`: the authority; its keys are copied.
 */
export type Allowance = 'both' | 'authority' | 'doubt' | 'keys'

const lists: readonly (readonly [Allowance, string])[] = [
  // What clients meet on either side: settings, users, modules.
  ['both', 'config|set config|rewrite acl|setuser acl|deluser acl|load acl|save module|load module|loadex module|unload'],
  // Figures, logs and files of one server.
  ['authority', 'config|resetstat slowlog|reset commandlog|reset latency|reset memory|purge save bgsave bgrewriteaof shutdown'],
  // Another data set may stand there after it.
  ['doubt', 'replicaof slaveof failover debug pfdebug pfselftest'],
  // It deletes what it has moved.
  ['keys', 'migrate'],
]

const allowances: ReadonlyMap<string, Allowance> = new Map(
  lists.flatMap(([allowance, names]) => names.split(' ').map((name): [string, Allowance] => [name, allowance])),
)

export const allowableNames: readonly string[] = [...allowances.keys()].sort()

/** Subcommands of DEBUG that change no data. */
const harmless = new Set(
  'client-eviction digest digest-value error help htstats htstats-key listpack log object protocol quicklist sleep stringmatch-len'.split(
    ' ',
  ),
)

/** Where an allowed command goes. @throws where it is not one of `allowableNames`. */
export function allowanceOf(name: string, args: ArgView): Allowance {
  const allowance = allowances.get(name)
  if (allowance === undefined) throw new Error(`${name} cannot be allowed`)
  const sub = args.argc > 1 ? argBytes(args, 1).toString('latin1').toLowerCase() : ''
  return name === 'debug' && harmless.has(sub) ? 'authority' : allowance
}

export const isAllowable = (name: string): boolean => allowances.has(name)

/** As people write it (`CONFIG SET`) or as the catalogue has it (`config|set`): the catalogue's name. */
export const allowableName = (written: string): string => written.trim().toLowerCase().replace(/\s+/g, '|')
