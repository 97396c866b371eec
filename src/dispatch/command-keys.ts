/** The keys of whole frames, for the paths on which a key has to be named: journal, holds, transactions. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { createKeyList, destinationDb, keyPositions } from '../commands/keys.ts'
import { lookup, resolveSub } from '../commands/lookup.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { Found, RequestScanner } from '../resp/request-scanner.ts'
import { stripeOf } from '../routing/stripe.ts'

const anyLimits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 0 }

/** What the first argument (and the second, for a parent such as CONFIG) names. */
export function specOf(args: ArgView): CommandSpec {
  const offsets = args.offsets
  const spec = lookup(args.buf, offsets[0] as number, offsets[1] as number)
  if (spec.kind !== Kind.Container || args.argc < 2) return spec
  return resolveSub(spec, args.buf, offsets[2] as number, offsets[3] as number)
}

const positions = createKeyList()

/** A key and the database it lies in. */
export interface DbKey {
  readonly db: number
  readonly key: Buffer
}

/** The keys, sharing the frame's memory; null where the arguments make no sense and only the authority can say what is wrong. */
export function keysOf(spec: CommandSpec, args: ArgView, db: number): DbKey[] | null {
  keyPositions(spec, args, positions)
  if (!positions.valid) return null
  const keys: DbKey[] = []
  for (let i = 0; i < positions.count; i++) keys.push({ db, key: argBytes(args, positions.positions[i] as number) })
  const toDb = destinationDb(spec, args)
  if (toDb >= 0 && toDb !== db && keys.length > 0) keys.push({ db: toDb, key: (keys.at(-1) as DbKey).key })
  return keys
}

const storesFirst: ReadonlySet<string> = new Set(['geosearchstore', 'zunionstore', 'zinterstore'])
const storesLast: ReadonlySet<string> = new Set(['sort', 'georadius', 'georadiusbymember'])

/** Those of its keys that a command changes, where it only reads the others to make one of them. */
export function changedKeys(spec: CommandSpec, keys: readonly DbKey[]): readonly DbKey[] {
  if (storesFirst.has(spec.name)) return keys.slice(0, 1)
  return storesLast.has(spec.name) ? keys.slice(-1) : keys
}

/** Distinct stripes of keys. */
export function stripesOf(keys: readonly DbKey[]): number[] {
  const stripes = keys.map(({ db, key }) => stripeOf(key, 0, key.length, db))
  return stripes.length > 1 ? [...new Set(stripes)] : stripes
}

/** For whoever outlives the frame: the keys in memory of their own. */
export const ownKeys = (keys: readonly DbKey[]): DbKey[] => keys.map(({ db, key }) => ({ db, key: Buffer.from(key) }))

/** The frames of a run that was found whole before. */
export function* framesIn(buf: Buffer, start: number, end: number): Generator<RequestScanner> {
  const scanner = new RequestScanner(anyLimits)
  scanner.reset(buf, start, end)
  while (scanner.position < end && scanner.next() === Found.frame) yield scanner
}
