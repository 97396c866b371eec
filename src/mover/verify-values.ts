/**
 * Values compared by meaning, in windows, so that a value of any size takes bounded memory. Each gives what differs, or null.
 * Nothing holds the key still meanwhile: a value that changes can look different, which the next round corrects.
 */

import type { Reply } from '../resp/decode.ts'
import { printable } from '../resp/printable.ts'
import { sameHyperLogLog } from './verify-hll.ts'
import { answered, both, bothLists, bothNumbers, list, type Pair, scanElements, windowElements } from './verify-pair.ts'
import type { VerifyPipe } from './verify-pipe.ts'
import { compareVectorSets } from './verify-vectors.ts'

const stringWindowBytes = 1 << 20
/** A dense one has 12,304 bytes; a sparse one is at most as long as its setting allows, 3,000 by default. */
const hyperLogLogBytesMax = 64 << 10
/** A payload comes in one piece: neither server may be kept busy with it, nor memory be filled. */
const opaqueBytesMax = 64 << 20

export async function compareStrings(pair: Pair, key: Buffer): Promise<string | null> {
  const [sourceBytes, targetBytes] = await bothNumbers(pair, ['STRLEN', key])
  for (let at = 0; at < Math.max(sourceBytes, targetBytes, 1); at += stringWindowBytes) {
    const [source, target] = (await both(pair, ['GETRANGE', key, at, at + stringWindowBytes - 1])) as [Buffer, Buffer]
    if (source.equals(target)) continue
    if (at === 0 && Math.max(sourceBytes, targetBytes) <= hyperLogLogBytesMax && sameHyperLogLog(source, target)) return null
    return `strings of ${sourceBytes} and ${targetBytes} bytes, different from byte ${at + firstDifference(source, target)} on`
  }
  return sourceBytes === targetBytes ? null : `strings of ${sourceBytes} and ${targetBytes} bytes`
}

function firstDifference(left: Buffer, right: Buffer): number {
  let at = 0
  while (at < left.length && left[at] === right[at]) at += 1
  return at
}

export async function compareLists(pair: Pair, key: Buffer, sizeBytes: number): Promise<string | null> {
  const [sourceLength, targetLength] = await bothNumbers(pair, ['LLEN', key])
  if (sourceLength !== targetLength) return `lists of ${sourceLength} and ${targetLength} elements`
  const step = windowElements(sizeBytes, sourceLength)
  for (let at = 0; at < sourceLength; at += step) {
    const [source, target] = await bothLists(pair, ['LRANGE', key, at, at + step - 1])
    const index = source.findIndex((element, i) => !same(element, target[i]))
    if (index >= 0 || source.length !== target.length) return `list element ${at + Math.max(index, 0)} differs`
  }
  return null
}

/** Both sides order their members alike, so equal sets are equal rank by rank. Scores are compared as numbers, not as they are printed. */
export async function compareSortedSets(pair: Pair, key: Buffer, sizeBytes: number): Promise<string | null> {
  const [sourceSize, targetSize] = await bothNumbers(pair, ['ZCARD', key])
  if (sourceSize !== targetSize) return `sorted sets of ${sourceSize} and ${targetSize} members`
  const step = windowElements(sizeBytes, sourceSize)
  for (let at = 0; at < sourceSize; at += step) {
    const [source, target] = await bothLists(pair, ['ZRANGE', key, at, at + step - 1, 'WITHSCORES'])
    for (let i = 0; i < source.length; i += 2) {
      const member = `member "${text(source[i])}" at rank ${at + i / 2}`
      if (!same(source[i], target[i])) return `${member} is another on the target`
      const [left, right] = [score(source[i + 1]), score(target[i + 1])]
      if (left !== right) return `${member} has score ${left} and ${right}`
    }
  }
  return null
}

function score(printed: Reply | undefined): number {
  const digits = String(printed)
  if (digits === 'inf') return Number.POSITIVE_INFINITY
  return digits === '-inf' ? Number.NEGATIVE_INFINITY : Number(digits)
}

export async function compareSets(pair: Pair, key: Buffer, sizeBytes: number): Promise<string | null> {
  const [sourceSize, targetSize] = await bothNumbers(pair, ['SCARD', key])
  if (sourceSize !== targetSize) return `sets of ${sourceSize} and ${targetSize} members`
  for await (const members of scanElements(pair.source, 'SSCAN', key, windowElements(sizeBytes, sourceSize))) {
    const found = await membership(pair.target, key, members as Buffer[])
    const absent = found.findIndex((answer) => answer !== 1)
    if (absent >= 0) return `member "${text(members[absent])}" is not in the set on the target`
  }
  return null
}

async function membership(pipe: VerifyPipe, key: Buffer, members: Buffer[]): Promise<Reply[]> {
  const answer = await pipe.call(['SMISMEMBER', key, ...members])
  if (Array.isArray(answer)) return answer
  // Older than 6.2, or the key is no set any more; then this gives the reason.
  return (await pipe.callAll(members.map((member) => ['SISMEMBER', key, member]))).map(answered)
}

export async function compareHashes(pair: Pair, key: Buffer, sizeBytes: number): Promise<string | null> {
  const [sourceSize, targetSize] = await bothNumbers(pair, ['HLEN', key])
  const step = windowElements(sizeBytes, Math.max(sourceSize, targetSize))
  let seen = 0
  for await (const window of scanElements(pair.source, 'HSCAN', key, step)) {
    const fields = window.filter((_, index) => index % 2 === 0) as Buffer[]
    seen += fields.length
    const values = await list(pair.target, ['HMGET', key, ...fields])
    const index = fields.findIndex((_, i) => !same(window[i * 2 + 1], values[i]))
    if (index >= 0) {
      return `field "${text(fields[index])}" ${values[index] === null ? 'is not in the hash on the target' : 'has another value'}`
    }
    const expiry = await compareFieldTtls(pair, key, fields)
    if (expiry !== null) return expiry
  }
  // HLEN may count fields that have expired and not been removed yet: equal lengths prove equality only if every one was seen.
  if (seen === sourceSize && sourceSize === targetSize) return null
  for await (const window of scanElements(pair.target, 'HSCAN', key, step)) {
    const fields = window.filter((_, index) => index % 2 === 0) as Buffer[]
    const absent = (await list(pair.source, ['HMGET', key, ...fields])).indexOf(null)
    if (absent >= 0) return `field "${text(fields[absent])}" is in the hash on the target only`
  }
  return null
}

async function compareFieldTtls(pair: Pair, key: Buffer, fields: Buffer[]): Promise<string | null> {
  if (!pair.fieldTtls.source && !pair.fieldTtls.target) return null
  const args = ['HPEXPIRETIME', key, 'FIELDS', fields.length, ...fields]
  const [source, target] = await Promise.all([
    pair.fieldTtls.source ? list(pair.source, args) : null,
    pair.fieldTtls.target ? list(pair.target, args) : null,
  ])
  for (const [index, field] of fields.entries()) {
    const left = source === null ? -1 : Number(source[index])
    const right = target === null ? -1 : Number(target[index])
    // -1 = none; -2 = the field is gone, then the next round tells.
    const bothExpire = left >= 0 && right >= 0
    if (left === right || (bothExpire && Math.abs(left - right) <= pair.ttlToleranceMs)) continue
    return `field "${text(field)}" expires at ${expiry(left)} and ${expiry(right)}`
  }
  return null
}

const expiry = (at: number): string => (at < 0 ? 'no time' : new Date(at).toISOString())

/** Modules and types that Ferry does not know: their payload is all there is to compare. */
export async function compareOpaque(pair: Pair, key: Buffer, type: string, sizeBytes: number): Promise<string | null> {
  if (sizeBytes > opaqueBytesMax) return `values of type ${type} of ${sizeBytes} bytes are too large to be compared`
  const [source, target] = await both(pair, ['DUMP', key])
  if (Buffer.isBuffer(source) && Buffer.isBuffer(target) && samePayload(source, target)) return null
  if (type === 'vectorset') return compareVectorSets(pair, key)
  return `values of type ${type} have different payloads; this type cannot be compared by meaning`
}

/**
 * Whether two DUMP payloads hold the same value for certain. The footer (RDB version and checksum) is left out where the type byte means
 * the same to every server; from 22 on, families have used the same number for different things.
 */
export function samePayload(source: Buffer, target: Buffer): boolean {
  if (source.length !== target.length || source.length < 10) return false
  const end = (source[0] ?? 255) <= 21 ? source.length - 10 : source.length
  return source.compare(target, 0, end, 0, end) === 0
}

function same(left: Reply | undefined, right: Reply | undefined): boolean {
  return Buffer.isBuffer(left) && Buffer.isBuffer(right) && left.equals(right)
}

function text(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? printable(reply, 60) : String(reply)
}
