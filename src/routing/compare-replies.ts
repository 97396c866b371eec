/**
 * Whether two sides' replies to one read say the same: byte for byte, then by meaning. What the protocol and the versions of two servers
 * leave open (the order of a set, the form of a nil, how a double is written, an error's wording) does not count as a difference.
 */
import { type CommandSpec, Compare } from '../commands/spec.ts'
import { ttlToleranceMs } from '../limits.ts'
import { decodeReply, isReplyError, type Reply } from '../resp/decode.ts'

/** Only in replies of these families is text that looks like a number one: a score, a distance, a coordinate. */
const numericFamilies: ReadonlySet<string> = new Set(['zset', 'geo'])
const numeral = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i

/** Both lie whole in their buffers. True for a command whose replies say nothing about the data. */
export function sameReply(spec: CommandSpec, left: Buffer, right: Buffer): boolean {
  if (spec.compare === Compare.Never || left.equals(right)) return true
  return sameMeaning(spec, decodeReply(left).value, decodeReply(right).value)
}

function sameMeaning(spec: CommandSpec, left: Reply, right: Reply): boolean {
  const numeric = numericFamilies.has(spec.family)
  if (spec.compare === Compare.Lifetime) return sameLifetimes(left, right, toleranceOf(spec))
  if (spec.compare === Compare.Unordered) return sameElements(left, right, 1, numeric)
  if (spec.compare === Compare.UnorderedPairs) return sameElements(left, right, 2, numeric)
  return canonical(left, numeric) === canonical(right, numeric)
}

/** In the command's own unit: those that begin with P (or HP) speak of milliseconds, the others of seconds. */
const toleranceOf = (spec: CommandSpec): number => (/^h?p/.test(spec.name) ? ttlToleranceMs : Math.ceil(ttlToleranceMs / 1000))

/** A negative number is no time but "never" or "no such key". */
function sameLifetimes(left: Reply, right: Reply, tolerance: number): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((value, i) => sameLifetimes(value, right[i] as Reply, tolerance))
  }
  if (typeof left !== 'number' || typeof right !== 'number') return canonical(left, false) === canonical(right, false)
  return left === right || (left >= 0 && right >= 0 && Math.abs(left - right) <= tolerance)
}

/** The same groups of `size` elements, each as often, in any order. */
function sameElements(left: Reply, right: Reply, size: number, numeric: boolean): boolean {
  if (!Array.isArray(left) || !Array.isArray(right)) return canonical(left, numeric) === canonical(right, numeric)
  if (left.length !== right.length) return false
  const groups = groupsOf(right, size, numeric)
  return groupsOf(left, size, numeric).every((group, i) => group === groups[i])
}

function groupsOf(elements: readonly Reply[], size: number, numeric: boolean): string[] {
  const groups: string[] = []
  for (let i = 0; i < elements.length; i += size) groups.push(canonical(elements.slice(i, i + size), numeric))
  return groups.sort()
}

/** Equal texts mean equal values; lengths keep the borders of what is put together. */
function canonical(reply: Reply, numeric: boolean): string {
  if (reply === null) return '_'
  if (Array.isArray(reply)) return `*${reply.length}(${reply.map((element) => canonical(element, numeric)).join('')})`
  if (typeof reply === 'boolean') return `:${Number(reply)};`
  if (typeof reply === 'number' || typeof reply === 'bigint') return `:${reply};`
  if (isReplyError(reply)) return `-${reply.error.split(' ', 1)[0]};`
  const text = reply.toString('latin1')
  return numeric && numeral.test(text) ? `,${Number(text)};` : `$${text.length}:${text}`
}
