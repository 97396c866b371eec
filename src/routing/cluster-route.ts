/** Where in a cluster a command goes, by its keys: the servers of a cluster take only commands whose keys all lie in one slot. */
import type { ArgView } from '../commands/arg-view.ts'
import { argIs } from '../commands/arg-view.ts'
import { createKeyList, type KeyList, keyPositions } from '../commands/keys.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { slotOf } from './slot.ts'

/** Other than a slot (0 and above). */
export const Route = {
  /** Any server will do; always the same one. */
  home: -1,
  /** Every primary, and one reply made of theirs. */
  every: -2,
  /** The keys lie in several slots, and the command is the same as one for each of them. */
  split: -3,
  /** The keys lie in several slots, and no server takes it. */
  crossing: -4,
} as const

/** Whole keys one by one: several commands for some keys each do the same as one for all. */
const splittable: ReadonlySet<string> = new Set(['del', 'unlink', 'exists', 'touch', 'mget', 'mset'])

/** What changes or counts a server rather than keys. */
const everywhere: ReadonlySet<string> = new Set([
  'flushall',
  'flushdb',
  'dbsize',
  'keys',
  'randomkey',
  'wait',
  'waitaof',
  'swapdb',
  'script|load',
  'script|flush',
  'script|kill',
  'function|list',
  'function|load',
  'function|delete',
  'function|flush',
  'function|restore',
  'function|kill',
  'config|set',
  'config|resetstat',
  'config|rewrite',
  'acl|setuser',
  'acl|deluser',
  'acl|load',
  'acl|save',
  'slowlog|reset',
  'latency|reset',
  'memory|purge',
  'save',
  'bgsave',
  'bgrewriteaof',
])

const sharded: ReadonlySet<string> = new Set(['spublish', 'ssubscribe', 'sunsubscribe'])
const keys: KeyList = createKeyList()

/** Whether a cluster refuses the command for where its keys lie. */
export function crossesSlots({ name }: CommandSpec, keys: readonly { readonly key: Buffer }[]): boolean {
  const [first, ...others] = keys
  if (first === undefined || others.length === 0 || splittable.has(name)) return false
  const slot = slotOf(first.key, 0, first.key.length)
  return others.some(({ key }) => slotOf(key, 0, key.length) !== slot)
}

/** A slot, or one of `Route`. Makes no object: it is asked for every command that goes to a cluster. */
export function routeOf(spec: CommandSpec, args: ArgView): number {
  if (sharded.has(spec.name)) return args.argc > 1 ? slotOfArgument(args, 1) : Route.home
  const count = keyPositions(spec, args, keys)
  if (count === 0) return keyless(spec, args)
  const first = slotOfArgument(args, keys.positions[0] as number)
  for (let i = 1; i < count; i++) {
    if (slotOfArgument(args, keys.positions[i] as number) !== first)
      return splittable.has(spec.name) ? Route.split : Route.crossing
  }
  return first
}

function keyless(spec: CommandSpec, args: ArgView): number {
  if (everywhere.has(spec.name) || (spec.name === 'info' && tellsKeyspace(args))) return Route.every
  // MULTI's like: whoever opened a block decides.
  return spec.kind === Kind.WriteGlobal ? Route.every : Route.home
}

/** Only what is asked for by name is put together from all servers. */
const tellsKeyspace = (args: ArgView): boolean => args.argc === 2 && argIs(args, 1, 'keyspace')

function slotOfArgument(args: ArgView, at: number): number {
  return slotOf(args.buf, args.offsets[2 * at] as number, args.offsets[2 * at + 1] as number)
}

/** For each slot of a command that is split, the arguments that go there: indexes of the keys, in the command's order. */
export function slotsOfKeys(spec: CommandSpec, args: ArgView): Map<number, number[]> {
  keyPositions(spec, args, keys)
  const bySlot = new Map<number, number[]>()
  for (let i = 0; i < keys.count; i++) {
    const at = keys.positions[i] as number
    const slot = slotOfArgument(args, at)
    const others = bySlot.get(slot)
    if (others === undefined) bySlot.set(slot, [at])
    else others.push(at)
  }
  return bySlot
}
