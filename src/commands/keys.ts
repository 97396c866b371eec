/** Which arguments of a command are keys. Follows the servers' own rules (COMMAND GETKEYS); what those would refuse has no keys here. */
import { type ArgView, argInteger, argIs } from './arg-view.ts'
import { type CommandSpec, KeyForm } from './spec.ts'

/** A list that its owner keeps and every `keyPositions` call overwrites. */
export interface KeyList {
  /** Argument indexes, valid up to `count`; the array is replaced when it has to grow. A key named twice is listed twice. */
  positions: Int32Array
  count: number
  /** False: the arguments make no sense, nothing is known about the keys. Only the authority can say what is wrong. */
  valid: boolean
  /** False: it reads further keys whose names come from data (SORT BY and GET). */
  complete: boolean
}

export function createKeyList(): KeyList {
  return { positions: new Int32Array(16), count: 0, valid: true, complete: true }
}

/** Fills `into` and returns its count. Never a guess: count is 0 with `valid` false where the syntax is wrong. */
export function keyPositions(spec: CommandSpec, args: ArgView, into: KeyList): number {
  into.count = 0
  into.valid = true
  into.complete = true
  switch (spec.keyForm) {
    case KeyForm.Range:
      return rangeKeys(spec, args, into)
    case KeyForm.NumKeys:
      return countedKeys(args, spec.keyArg, 1, spec.family === 'scripting' ? 0 : 1, into)
    case KeyForm.StoreNumKeys:
      add(into, 1)
      return countedKeys(args, spec.keyArg, 1, 1, into)
    case KeyForm.MSetEx:
      return countedKeys(args, spec.keyArg, 2, 1, into)
    case KeyForm.Streams:
      return streamKeys(args, into)
    case KeyForm.Sort:
      return sortKeys(args, into)
    case KeyForm.GeoRadius:
      return geoRadiusKeys(args, into)
    case KeyForm.Migrate:
      return migrateKeys(args, into)
  }
}

/** The database that MOVE, or COPY with DB, writes to beside the current one; -1 = none, NaN = not understood. */
export function destinationDb(spec: CommandSpec, args: ArgView): number {
  if (spec.name === 'move') return nonNegative(argInteger(args, 2))
  if (spec.name !== 'copy') return -1
  for (let i = 3; i < args.argc; i++) if (argIs(args, i, 'db')) return nonNegative(argInteger(args, i + 1))
  return -1
}

/** Every database that the command names beside the current one; none where it is not understood. */
export function namedDbs(spec: CommandSpec, args: ArgView): number[] {
  const dbs = spec.name === 'swapdb' ? [argInteger(args, 1), argInteger(args, 2)] : [destinationDb(spec, args)]
  return dbs.some(Number.isNaN) ? [] : dbs.filter((db) => db >= 0)
}

function nonNegative(value: number): number {
  return value >= 0 ? value : Number.NaN
}

function add(into: KeyList, position: number): void {
  if (into.count === into.positions.length) {
    const larger = new Int32Array(into.count * 2)
    larger.set(into.positions)
    into.positions = larger
  }
  into.positions[into.count++] = position
}

function invalid(into: KeyList): 0 {
  into.count = 0
  into.valid = false
  return 0
}

function rangeKeys(spec: CommandSpec, args: ArgView, into: KeyList): number {
  const { firstKey, keyStep } = spec
  if (keyStep === 0 || firstKey === 0) return 0
  const last = spec.lastKey < 0 ? args.argc + spec.lastKey : spec.lastKey
  if (last < firstKey || last >= args.argc) return invalid(into)
  if (keyStep > 1 && (last - firstKey + 1) % keyStep !== 0) return invalid(into)
  for (let i = firstKey; i <= last; i += keyStep) add(into, i)
  return into.count
}

function countedKeys(args: ArgView, countArg: number, step: number, atLeast: number, into: KeyList): number {
  const count = argInteger(args, countArg)
  // Written so that NaN fails too.
  if (!(count >= atLeast) || count * step > args.argc - countArg - 1) return invalid(into)
  for (let i = 0; i < count; i++) add(into, countArg + 1 + i * step)
  return into.count
}

function streamKeys(args: ArgView, into: KeyList): number {
  const first = streamsAt(args) + 1
  const rest = args.argc - first
  if (first === 0 || rest === 0 || rest % 2 !== 0) return invalid(into)
  for (let i = 0; i < rest / 2; i++) add(into, first + i)
  return into.count
}

/** Where the word STREAMS stands among the options of XREAD or XREADGROUP, or -1. A value may be any word, also STREAMS. */
function streamsAt(args: ArgView): number {
  for (let i = 1; i < args.argc; i++) {
    if (argIs(args, i, 'streams')) return i
    if (argIs(args, i, 'group')) i += 2
    else if (argIs(args, i, 'block') || argIs(args, i, 'count') || argIs(args, i, 'claim')) i += 1
    else if (!argIs(args, i, 'noack')) return -1
  }
  return -1
}

/** Whether this call may wait on the server. */
export function blocks(spec: CommandSpec, args: ArgView): boolean {
  if (!spec.mayBlock) return false
  if (spec.keyForm !== KeyForm.Streams) return true
  const end = streamsAt(args)
  for (let i = 1; i < end; i++) {
    if (argIs(args, i, 'block')) return true
    if (argIs(args, i, 'group')) i += 2
    else if (!argIs(args, i, 'noack')) i += 1
  }
  return false
}

function sortKeys(args: ArgView, into: KeyList): number {
  if (args.argc < 2) return invalid(into)
  let store = 0
  for (let i = 2; i < args.argc; i++) {
    const following = args.argc - i - 1
    if (argIs(args, i, 'limit') && following >= 2) i += 2
    else if (argIs(args, i, 'store') && following >= 1) store = ++i
    else if (argIs(args, i, 'by') && following >= 1) {
      if (hasStar(args, ++i)) into.complete = false
    } else if (argIs(args, i, 'get') && following >= 1) {
      if (!argIs(args, ++i, '#')) into.complete = false
    } else if (!argIs(args, i, 'asc') && !argIs(args, i, 'desc') && !argIs(args, i, 'alpha')) return invalid(into)
  }
  add(into, 1)
  if (store > 0) add(into, store)
  return into.count
}

function hasStar(args: ArgView, i: number): boolean {
  const start = args.offsets[2 * i] as number
  const end = start + (args.offsets[2 * i + 1] as number)
  for (let at = start; at < end; at++) if (args.buf[at] === 42) return true
  return false
}

/** The last STORE or STOREDIST wins, as in the servers. */
function geoRadiusKeys(args: ArgView, into: KeyList): number {
  if (args.argc < 5) return invalid(into)
  let store = 0
  for (let i = 5; i < args.argc; i++) {
    if (!argIs(args, i, 'store') && !argIs(args, i, 'storedist')) continue
    if (i + 1 >= args.argc) return invalid(into)
    store = ++i
  }
  add(into, 1)
  if (store > 0) add(into, store)
  return into.count
}

function migrateKeys(args: ArgView, into: KeyList): number {
  if (args.argc < 6) return invalid(into)
  if (args.offsets[7] !== 0) {
    add(into, 3)
    return into.count
  }
  for (let i = 6; i < args.argc; i++) {
    if (argIs(args, i, 'keys')) {
      for (let key = i + 1; key < args.argc; key++) add(into, key)
      return into.count > 0 ? into.count : invalid(into)
    }
    if (argIs(args, i, 'auth')) i += 1
    else if (argIs(args, i, 'auth2')) i += 2
  }
  return invalid(into)
}
