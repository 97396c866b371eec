/** Relative expiries made absolute, so that both sides expire at the same instant however late the command reaches one of them. */
import { type ArgView, argBytes, argInteger, argIs } from './arg-view.ts'
import { copy, plain, type Rewritten, read } from './rewritten.ts'

const words = {
  set: Buffer.from('SET'),
  pxat: Buffer.from('PXAT'),
  absttl: Buffer.from('ABSTTL'),
  pexpireat: Buffer.from('PEXPIREAT'),
  hpexpireat: Buffer.from('HPEXPIREAT'),
}

/**
 * Whether the lifetime is 0 or less: over at once, or an error, whatever the clock says. The same on both sides then, or the answers
 * differ.
 */
const isOver = (args: ArgView, i: number): boolean => argInteger(args, i) <= 0

/** The instant as digits, or null where the lifetime is not a positive integer that stays exact. */
function instantAfter(nowMs: number, args: ArgView, i: number, unitMs: number): Buffer | null {
  const lifetime = argInteger(args, i)
  const instantMs = Math.floor(nowMs) + lifetime * unitMs
  return lifetime > 0 && instantMs <= Number.MAX_SAFE_INTEGER ? Buffer.from(String(instantMs)) : null
}

/** The request's arguments, with two of them replaced: an option word and the number after it. */
function withInstant(args: ArgView, wordAt: number, instant: Buffer): Rewritten {
  const argv: Buffer[] = []
  for (let i = 0; i < args.argc; i++) argv.push(i === wordAt ? words.pxat : i === wordAt + 1 ? instant : argBytes(args, i))
  return { how: 'frames', argv }
}

/** Unit of a relative expiry option in ms, 0 for an absolute one, -1 for any other word. */
function expiryUnit(args: ArgView, i: number): number {
  if (argIs(args, i, 'ex')) return 1000
  if (argIs(args, i, 'px')) return 1
  return argIs(args, i, 'exat') || argIs(args, i, 'pxat') ? 0 : -1
}

function isAnyOf(args: ArgView, i: number, candidates: readonly string[]): boolean {
  for (const word of candidates) if (argIs(args, i, word)) return true
  return false
}

/** What the options between `from` and `to` say about expiry. */
interface Options {
  valid: boolean
  /** Where EX, PX, EXAT or PXAT stands; -1 = none. */
  expiryAt: number
  unitMs: number
  persist: boolean
}

function readOptions(args: ArgView, from: number, to: number, flags: readonly string[], withValue: readonly string[]): Options {
  const options: Options = { valid: true, expiryAt: -1, unitMs: 0, persist: false }
  let lifetimes = 0
  for (let i = from; i < to; i++) {
    const unitMs = expiryUnit(args, i)
    if (unitMs >= 0) {
      options.expiryAt = i++
      options.unitMs = unitMs
      lifetimes++
    } else if (argIs(args, i, 'keepttl')) lifetimes++
    else if (argIs(args, i, 'persist')) {
      options.persist = true
      lifetimes++
    } else if (isAnyOf(args, i, withValue)) i++
    else if (!isAnyOf(args, i, flags)) options.valid = false
    if (i >= to) options.valid = false
  }
  if (lifetimes > 1) options.valid = false
  return options
}

function absolute(args: ArgView, nowMs: number, options: Options): Rewritten {
  if (!options.valid) return copy
  if (options.expiryAt < 0 || options.unitMs === 0 || isOver(args, options.expiryAt + 1)) return plain
  const instant = instantAfter(nowMs, args, options.expiryAt + 1, options.unitMs)
  return instant === null ? copy : withInstant(args, options.expiryAt, instant)
}

const setFlags = ['nx', 'xx', 'get']
/** Comparisons with the present value or its digest. */
const setConditions = ['ifeq', 'ifne', 'ifdeq', 'ifdne']

export function set(args: ArgView, nowMs: number): Rewritten {
  if (args.argc <= 3) return args.argc === 3 ? plain : copy
  const options = readOptions(args, 3, args.argc, setFlags, setConditions)
  return options.persist ? copy : absolute(args, nowMs, options)
}

/** SETEX and PSETEX: key, lifetime, value. */
export function setex(args: ArgView, nowMs: number, unitMs: number): Rewritten {
  if (args.argc === 4 && isOver(args, 2)) return plain
  const instant = args.argc === 4 ? instantAfter(nowMs, args, 2, unitMs) : null
  if (instant === null) return copy
  return { how: 'frames', argv: [words.set, argBytes(args, 1), argBytes(args, 3), words.pxat, instant] }
}

const increxFlags = ['nx', 'xx', 'enx', 'saturate']

/** INCREX: key, options. With BYFLOAT the sum is a long double, as of INCRBYFLOAT. */
export function increx(args: ArgView, nowMs: number): Rewritten {
  return absolute(args, nowMs, readOptions(args, 2, args.argc, increxFlags, ['byint', 'lbound', 'ubound']))
}

const expireConditions = ['nx', 'xx', 'gt', 'lt']

/** EXPIRE and PEXPIRE: key, lifetime, conditions. */
export function expire(args: ArgView, nowMs: number, unitMs: number): Rewritten {
  for (let i = 3; i < args.argc; i++) if (!isAnyOf(args, i, expireConditions)) return copy
  if (isOver(args, 2)) return plain
  const instant = instantAfter(nowMs, args, 2, unitMs)
  if (instant === null) return copy
  const argv = [words.pexpireat, argBytes(args, 1), instant]
  for (let i = 3; i < args.argc; i++) argv.push(argBytes(args, i))
  return { how: 'frames', argv }
}

export function getex(args: ArgView, nowMs: number): Rewritten {
  if (args.argc === 2) return read
  const options = readOptions(args, 2, args.argc, [], [])
  // KEEPTTL is no option of GETEX.
  if (!options.persist && options.expiryAt < 0) return copy
  return absolute(args, nowMs, options)
}

/** MSETEX: count, that many pairs, options. */
export function msetex(args: ArgView, nowMs: number): Rewritten {
  const count = argInteger(args, 1)
  const optionsAt = 2 + count * 2
  if (!(count > 0) || optionsAt > args.argc) return copy
  const options = readOptions(args, optionsAt, args.argc, ['nx', 'xx'], [])
  return options.persist ? copy : absolute(args, nowMs, options)
}

/** RESTORE: key, lifetime in ms (0 = for ever), payload, options. */
export function restore(args: ArgView, nowMs: number): Rewritten {
  let isAbsolute = false
  for (let i = 4; i < args.argc; i++) {
    if (argIs(args, i, 'absttl')) isAbsolute = true
    else if (argIs(args, i, 'idletime') || argIs(args, i, 'freq')) i++
    else if (!argIs(args, i, 'replace')) return copy
  }
  if (isAbsolute || isOver(args, 2)) return plain
  const instant = instantAfter(nowMs, args, 2, 1)
  if (instant === null) return copy
  const argv: Buffer[] = []
  for (let i = 0; i < args.argc; i++) argv.push(i === 2 ? instant : argBytes(args, i))
  argv.push(words.absttl)
  return { how: 'frames', argv }
}

/** Where FIELDS stands if exactly its count of fields (of `perField` arguments each) ends the command, else -1. */
function fieldsAt(args: ArgView, from: number, perField: number): number {
  for (let i = from; i < args.argc; i++) {
    if (!argIs(args, i, 'fields')) continue
    const count = argInteger(args, i + 1)
    return count > 0 && i + 2 + count * perField === args.argc ? i : -1
  }
  return -1
}

/** HEXPIRE and HPEXPIRE: key, lifetime, at most one condition, FIELDS. */
export function hashFieldExpire(args: ArgView, nowMs: number, unitMs: number): Rewritten {
  const fields = fieldsAt(args, 3, 1)
  const conditionKnown = fields === 3 || (fields === 4 && isAnyOf(args, 3, expireConditions))
  if (conditionKnown && isOver(args, 2)) return plain
  const instant = conditionKnown ? instantAfter(nowMs, args, 2, unitMs) : null
  if (instant === null) return copy
  const argv = [words.hpexpireat, argBytes(args, 1), instant]
  for (let i = 3; i < args.argc; i++) argv.push(argBytes(args, i))
  return { how: 'frames', argv }
}

export function hsetex(args: ArgView, nowMs: number): Rewritten {
  const fields = fieldsAt(args, 2, 2)
  if (fields < 0) return copy
  const options = readOptions(args, 2, fields, ['fnx', 'fxx', 'nx', 'xx'], [])
  return options.persist ? copy : absolute(args, nowMs, options)
}

export function hgetex(args: ArgView, nowMs: number): Rewritten {
  const fields = fieldsAt(args, 2, 1)
  if (fields < 0) return copy
  if (fields === 2) return read
  const options = readOptions(args, 2, fields, [], [])
  if (!options.persist && options.expiryAt < 0) return copy
  return absolute(args, nowMs, options)
}
