/** Streams: what is the same everywhere, and what the server makes up (ids, where a rough trimming stops, who has been idle). */
import { type ArgView, argIs } from './arg-view.ts'
import { copy, plain, type Rewritten } from './rewritten.ts'

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
  // `~` and LIMIT are left to the authority.
  return threshold < args.argc && !argIs(args, threshold, '~') ? threshold + 1 : -1
}

/** What becomes of the references to entries that are trimmed, from groups that are the same on both sides. */
const isReference = (args: ArgView, i: number): boolean =>
  argIs(args, i, 'keepref') || argIs(args, i, 'delref') || argIs(args, i, 'acked')

/** XADD: key, options in any order, id, pairs. */
export function xadd(args: ArgView): Rewritten {
  let i = 2
  for (let next = 3; next > 0; ) {
    next = argIs(args, i, 'nomkstream') || isReference(args, i) ? i + 1 : afterExactTrim(args, i)
    if (next > 0) i = next
  }
  const pairs = args.argc - i - 1
  return isStreamId(args, i, false) && pairs >= 2 && pairs % 2 === 0 ? plain : copy
}

export function xtrim(args: ArgView): Rewritten {
  const end = afterExactTrim(args, 2)
  return end === args.argc || (end > 0 && end === args.argc - 1 && isReference(args, end)) ? plain : copy
}

/** XGROUP CREATE and SETID: sub, key, group, id. `$` is whatever came last, which is not known to be the same on both sides. */
export function xgroup(args: ArgView): Rewritten {
  return isStreamId(args, 4, true) ? plain : copy
}

/**
 * Gives the same entries to the same consumer on both sides, or the answers differ. CLAIM takes over what has been idle by the server's
 * clock. BLOCK is for whoever sends it: inside MULTI it does nothing.
 */
export function xreadgroup(args: ArgView): Rewritten {
  for (let i = 4; i < args.argc; i++) {
    if (argIs(args, i, 'streams')) return plain
    if (argIs(args, i, 'count') || argIs(args, i, 'block')) i++
    else if (!argIs(args, i, 'noack')) return copy
  }
  return copy
}
