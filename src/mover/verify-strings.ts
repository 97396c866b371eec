/**
 * Small strings, read as they are on both sides with their expiry: the two streams of replies are compared as bytes, and nothing is decoded
 * where they are equal. A range is asked for, so that a value of any size costs no more than a small one.
 */
import { expiryDetail } from './verify-expiry.ts'
import { absence, type Finding } from './verify-finding.ts'
import type { Pair } from './verify-pair.ts'
import type { RawReplies } from './verify-pipe.ts'
import { encodePerKey, verb } from './verify-requests.ts'

/** Longer ones are asked for their size first. */
const shortBytes = 4_096
/** One byte more than is taken for short, to tell the longer ones by. */
const readStart = verb('GETRANGE', 0, shortBytes)
const shortFrameBytes = `$${shortBytes}\r\n`.length + shortBytes + 2
const emptyFrameBytes = '$0\r\n\r\n'.length
const bulk = 36
const integer = 58

export interface StringLook {
  /** Keys that the two sides agree about. */
  equal: number
  readonly findings: Finding[]
  readonly absent: Finding[]
  /** Short strings on both sides whose bytes differ. */
  readonly unequal: Buffer[]
  /** Anything else: longer strings, other types, refused. */
  readonly rest: Buffer[]
  /** How many of the rest the source refused, as it does for other types. */
  refused: number
}

export async function lookAtStrings(pair: Pair, keys: readonly Buffer[]): Promise<StringLook> {
  const request = encodePerKey([readStart, verb(pair.expiry)], keys)
  const [source, target] = await Promise.all([
    pair.source.send(request, keys.length * 2),
    pair.target.send(request, keys.length * 2),
  ])
  const look: StringLook = { equal: 0, findings: [], absent: [], unequal: [], rest: [], refused: 0 }
  const same = source.bytes.equals(target.bytes)
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as Buffer
    const index = i * 2
    if (!isShort(source, index)) {
      if (source.bytes[startOf(source, index)] !== bulk) look.refused++
      look.rest.push(key)
    } else if (!same && !isShort(target, index)) look.rest.push(key)
    else if (same || sameFrame(source, target, index)) judgeExpiry(pair, look, key, source, target, index, same)
    else if (expiryOf(source, index + 1) === -2 || expiryOf(target, index + 1) === -2)
      judgeExpiry(pair, look, key, source, target, index, false)
    else look.unequal.push(key)
  }
  return look
}

/** Of a key whose values are equal, or that is not there on one side, which reads as an empty value. */
function judgeExpiry(
  pair: Pair,
  look: StringLook,
  key: Buffer,
  source: RawReplies,
  target: RawReplies,
  index: number,
  same: boolean,
): void {
  const empty = frameBytes(source, index) === emptyFrameBytes
  if ((same || sameFrame(source, target, index + 1)) && !empty) {
    look.equal++
    return
  }
  const [left, right] = [expiryOf(source, index + 1), expiryOf(target, index + 1)]
  if (left === -2 || right === -2) {
    if (left !== right) look.absent.push(absence(key, 'string', right === -2))
    return
  }
  const detail = expiryDetail(pair, left, right)
  if (detail === null) look.equal++
  else look.findings.push({ key, type: 'string', kind: 'ttl', detail })
}

/** A short string, with an expiry behind it that was told. */
function isShort(replies: RawReplies, index: number): boolean {
  return (
    frameBytes(replies, index) <= shortFrameBytes &&
    replies.bytes[startOf(replies, index)] === bulk &&
    replies.bytes[replies.ends[index] as number] === integer
  )
}

const startOf = ({ ends }: RawReplies, index: number): number => (index === 0 ? 0 : (ends[index - 1] as number))
const frameBytes = (replies: RawReplies, index: number): number => (replies.ends[index] as number) - startOf(replies, index)

function sameFrame(source: RawReplies, target: RawReplies, index: number): boolean {
  if (frameBytes(source, index) !== frameBytes(target, index)) return false
  const [from, to] = [startOf(source, index), source.ends[index] as number]
  return source.bytes.compare(target.bytes, startOf(target, index), target.ends[index] as number, from, to) === 0
}

function expiryOf(replies: RawReplies, index: number): number {
  return Number(replies.bytes.toString('latin1', startOf(replies, index) + 1, (replies.ends[index] as number) - 2))
}
