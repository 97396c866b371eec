/** Commands that are a read, the same everywhere, or not, by their arguments. No frame is changed here. */
import { type ArgView, argInteger, argIs } from './arg-view.ts'
import { allCommands } from './catalogue.ts'
import { createKeyList, keyPositions } from './keys.ts'
import { copy, plain, type Rewritten, read } from './rewritten.ts'
import { type CommandSpec, KeyForm } from './spec.ts'

const scratch = createKeyList()
const specOfForm = (form: KeyForm) => allCommands.find((spec) => spec.keyForm === form) as CommandSpec
const sortSpec = specOfForm(KeyForm.Sort)
const geoRadiusSpec = specOfForm(KeyForm.GeoRadius)

/** One key: it reads. Two: it stores, and what it stores may differ between two servers. */
function readUnlessStored(spec: CommandSpec, args: ArgView): Rewritten {
  return keyPositions(spec, args, scratch) === 1 ? read : copy
}

/** Stored ties keep an order that BY nosort, or equal weights, leave to the server. */
export function sort(args: ArgView): Rewritten {
  return readUnlessStored(sortSpec, args)
}

/** Distances come from the C library, and so does who is inside the radius. */
export function geoRadius(args: ArgView): Rewritten {
  return readUnlessStored(geoRadiusSpec, args)
}

export function bitfield(args: ArgView): Rewritten {
  let writes = false
  for (let i = 2; i < args.argc; ) {
    if (argIs(args, i, 'get')) i += 3
    else if (argIs(args, i, 'overflow')) i += 2
    else if (argIs(args, i, 'set') || argIs(args, i, 'incrby')) {
      writes = true
      i += 4
    } else return copy
    if (i > args.argc) return copy
  }
  return writes ? plain : read
}

export function copyKey(args: ArgView): Rewritten {
  for (let i = 3; i < args.argc; i++) if (!argIs(args, i, 'replace')) return copy
  return plain
}

/** With one key it may store the count in the value; over several it only reads. */
export function pfcount(args: ArgView): Rewritten {
  return args.argc === 2 ? plain : read
}

/**
 * ZUNIONSTORE, ZINTERSTORE. A sum of three scores depends on its order, which ties in size leave open; a product then a sum may be
 * rounded once or twice, by architecture.
 */
export function storeOfScores(args: ArgView): Rewritten {
  const count = argInteger(args, 2)
  let weighted = false
  let summed = true
  let i = 3 + count
  if (!(count > 0) || i > args.argc) return copy
  while (i < args.argc) {
    if (argIs(args, i, 'weights')) {
      weighted = true
      i += 1 + count
    } else if (argIs(args, i, 'aggregate')) {
      summed = argIs(args, i + 1, 'sum')
      if (!summed && !argIs(args, i + 1, 'min') && !argIs(args, i + 1, 'max')) return copy
      i += 2
    } else return copy
  }
  if (i !== args.argc) return copy
  return count === 1 || !summed || (count === 2 && !weighted) ? plain : copy
}

/** Length of a run of digits, at most 20, from `at`. */
function digitsFrom(buf: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && (buf[i] as number) >= 48 && (buf[i] as number) <= 57) i++
  return i - at <= 20 ? i - at : 0
}

/** `ms-seq`, or `ms` alone where `partial` says it is as definite. */
function isStreamId(args: ArgView, i: number, partial: boolean): boolean {
  if (i >= args.argc) return false
  const start = args.offsets[2 * i] as number
  const end = start + (args.offsets[2 * i + 1] as number)
  const ms = digitsFrom(args.buf, start, end)
  if (ms === 0) return false
  if (start + ms === end) return partial
  if (args.buf[start + ms] !== 45) return false
  const seq = digitsFrom(args.buf, start + ms + 1, end)
  return seq > 0 && start + ms + 1 + seq === end
}

/** The argument after an exact MAXLEN or MINID that stands at i, or -1. */
function afterExactTrim(args: ArgView, i: number): number {
  if (!argIs(args, i, 'maxlen') && !argIs(args, i, 'minid')) return -1
  const threshold = argIs(args, i + 1, '=') ? i + 2 : i + 1
  // `~`, LIMIT and what came later (KEEPREF, …) are left to the authority.
  return threshold < args.argc && !argIs(args, threshold, '~') ? threshold + 1 : -1
}

export function xadd(args: ArgView): Rewritten {
  let i = 2
  if (argIs(args, i, 'nomkstream')) i++
  const trimmed = afterExactTrim(args, i)
  if (trimmed > 0) i = trimmed
  if (argIs(args, i, 'nomkstream')) i++
  const pairs = args.argc - i - 1
  return isStreamId(args, i, false) && pairs >= 2 && pairs % 2 === 0 ? plain : copy
}

export function xtrim(args: ArgView): Rewritten {
  return afterExactTrim(args, 2) === args.argc ? plain : copy
}

/** XGROUP CREATE and SETID: sub, key, group, id. `$` is whatever came last, which is not known to be the same on both sides. */
export function xgroup(args: ArgView): Rewritten {
  return isStreamId(args, 4, true) ? plain : copy
}
