/**
 * Reading whole keys from one side and writing them to the other: DUMP with the expiry on a service lane, RESTORE … REPLACE ABSTTL or
 * UNLINK on the other. One promise per batch, none per key. The primitive under the mover, the healing and the two-phase write; whoever
 * uses it holds the keys.
 */
import { digitsOf, put, putBulk, putLength, putNumber } from '../resp/bytes-out.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Access, AccessCarry } from './access-carry.ts'
import type { Frame } from './frame.ts'
import type { TypedValue } from './typed/typed-value.ts'

/** One key as it was read. */
export interface Payload {
  readonly key: Buffer
  /** What DUMP gave, a slice of the reply; null where the value was read by its type, and where there is none. */
  readonly bytes: Buffer | null
  /** The value as it was read by its type. Null beside null bytes: the key does not exist. */
  readonly typed: TypedValue | null
  /** Unix time in ms; 0 = no expiry. */
  readonly expiresAtMs: number
  /** The server's words where it did not give the key. */
  readonly error: string | null
  /** Only where it was asked for, and told. RESTORE takes it; what was read by its type is given it by a script (typed/access-script.ts). */
  readonly access?: Access
}

/** The connection went before the answers were there. Nothing is known of commands that write. */
export class TransferLost extends Error {}

const inlineBytesMax = 16_384
/** More than the frame of one RESTORE takes beside key and value. */
const overheadBytes = 160
const bulkType = 36
const integerType = 58

class Collector implements Waiter {
  readonly sums = false
  #pieces: Buffer[] = []
  #resolve: (pieces: Buffer[]) => void
  #reject: (error: Error) => void

  constructor(resolve: (pieces: Buffer[]) => void, reject: (error: Error) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    // As it is, where all of it is wanted: it may be given back then (chunks.ts).
    this.#pieces.push(to - from === chunk.length ? chunk : chunk.subarray(from, to))
    if (ended) this.#resolve(this.#pieces)
  }

  lost(lane: ReplyLane): void {
    this.#reject(new TransferLost(`${lane.side} was lost: ${lane.lastError ?? 'connection closed'}`))
  }
}

/** Sends commands that the caller writes, and gives the bytes of their `count` replies. Rejects with TransferLost. */
export async function exchange(lane: Lane, context: number, count: number, write: (lane: Lane) => void): Promise<Buffer> {
  return joined(await exchangePieces(lane, context, count, write))
}

/** As `exchange`, with the bytes as they came in. */
export function exchangePieces(lane: Lane, context: number, count: number, write: (lane: Lane) => void): Promise<Buffer[]> {
  // Whoever waits for nothing would be answered by the next reply, which is somebody else's.
  if (count === 0) return Promise.resolve([])
  return collected(lane, context, (waiter) => {
    lane.expect(waiter, count)
    write(lane)
  })
}

/** The same for a client's command, or for a block of `count` of them, which does not lie in pieces. */
export async function exchangeFrame(
  lane: Lane,
  context: number,
  { buf, start, end, pieces }: Frame,
  count: number,
): Promise<Buffer> {
  return joined(
    await collected(lane, context, (waiter) => {
      if (pieces === null) lane.send(buf, start, end, waiter, count)
      else lane.sendPieces(pieces, waiter)
    }),
  )
}

const joined = (pieces: Buffer[]): Buffer => (pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces))

function collected(lane: Lane, context: number, send: (waiter: Waiter) => void): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    if (!lane.up || !lane.admitted) {
      reject(new TransferLost(`${lane.side} is not reachable: ${lane.lastError ?? 'not connected'}`))
      return
    }
    lane.prepare(context)
    send(new Collector(resolve, reject))
  })
}

const dumpHead = Buffer.from('*2\r\n$4\r\nDUMP\r\n')
const expiryHeads = {
  absolute: Buffer.from('*2\r\n$11\r\nPEXPIRETIME\r\n'),
  relative: Buffer.from('*2\r\n$4\r\nPTTL\r\n'),
}
const restoreHead = Buffer.from('*6\r\n$7\r\nRESTORE\r\n')
const restoreUsedHead = Buffer.from('*8\r\n$7\r\nRESTORE\r\n')
const restoreTail = Buffer.from('\r\n$7\r\nREPLACE\r\n$6\r\nABSTTL\r\n')
const accessHeads = { IDLETIME: Buffer.from('$8\r\nIDLETIME\r\n'), FREQ: Buffer.from('$4\r\nFREQ\r\n') }
/** Not DEL: it may have been a long value, which is freed beside the server's other work then. */
const unlinkHead = Buffer.from('*2\r\n$6\r\nUNLINK\r\n')

/** The key is not there, as its side says: not that it could not be read. */
export const isAbsent = ({ bytes, typed, error }: Payload): boolean => bytes === null && typed === null && error === null

const isRead = ({ error }: Payload): boolean => error === null

/** When a key expires, Unix time in ms, 0 = never, by what its server said: the moment itself with `clockMs` 0, else what is left of it then. */
export const momentOf = (saidMs: number, clockMs: number): number => (saidMs < 0 ? 0 : Math.max(1, Math.round(clockMs + saidMs)))

/** Lanes whose server does not know PEXPIRETIME (before Redis 7.0). */
export const relativeOnly = new WeakSet<Lane>()

/** With `carry` it is asked first how the keys were used, in the same pipeline. */
export async function readPayloads(
  lane: Lane,
  db: number,
  keys: readonly Buffer[],
  carry: AccessCarry | null = null,
): Promise<Payload[]> {
  if (keys.length === 0) return []
  const relative = relativeOnly.has(lane)
  const frame = dumpFrame(keys, relative ? expiryHeads.relative : expiryHeads.absolute)
  const bytes = await exchange(lane, contextOf(2, db), keys.length * (carry === null ? 2 : 3), (to) => {
    carry?.questions(keys).writeTo(to)
    to.write(frame, 0, frame.length)
  })
  const clockMs = Date.now() + lane.clockOffsetMs
  const payloads: Payload[] = []
  const told = carry === null ? null : carry.answers(lane.side, bytes, keys.length)
  let at = told === null ? 0 : told.next
  for (const key of keys) {
    let dump: Buffer | null = null
    let error: string | null = null
    let ms = -1
    if (bytes[at] === bulkType) {
      const header = numberAt(bytes, at + 1)
      dump = header < 0 ? null : bytes.subarray(lineEnd, lineEnd + header)
      at = header < 0 ? lineEnd : lineEnd + header + 2
    } else {
      const reply = decodeReply(bytes, at)
      error = isReplyError(reply.value) ? reply.value.error : null
      at = reply.next
    }
    if (bytes[at] === integerType) {
      ms = numberAt(bytes, at + 1)
      at = lineEnd
    } else {
      const reply = decodeReply(bytes, at)
      const refusal = isReplyError(reply.value) ? reply.value.error : 'no expiry was told'
      if (!relative && /unknown command/i.test(refusal)) {
        relativeOnly.add(lane)
        // By now they were all used: by the DUMP before.
        return accessed(await readPayloads(lane, db, keys), told)
      }
      error ??= refusal
      at = reply.next
    }
    // -1: no expiry; -2: it expired between the two commands, and without its expiry it would live for ever.
    const expiresAtMs = ms < 0 ? 0 : momentOf(ms, relative ? clockMs : 0)
    payloads.push({ key, bytes: ms === -2 ? null : dump, typed: null, expiresAtMs, error })
  }
  return accessed(payloads, told)
}

function accessed(payloads: Payload[], told: { readonly accesses: readonly (Access | null)[] } | null): Payload[] {
  if (told === null) return payloads
  return payloads.map((payload, i) => {
    const access = told.accesses[i] ?? null
    return access === null ? payload : { ...payload, access }
  })
}

/** How the keys were used, in their order, null where it is not told: of values that are read by whatever is sent after this. */
export async function readAccesses(
  lane: Lane,
  db: number,
  keys: readonly Buffer[],
  carry: AccessCarry,
): Promise<readonly (Access | null)[]> {
  const replies = await exchange(lane, contextOf(2, db), keys.length, (to) => carry.questions(keys).writeTo(to))
  return carry.answers(lane.side, replies, keys.length).accesses
}

/** Where the line that `numberAt` read last ends. */
let lineEnd = 0

/** The number up to the next CRLF. Two of these per key are what the mover spends its time on, so nothing is made for it. */
function numberAt(bytes: Buffer, from: number): number {
  let at = from
  const negative = bytes[at] === 45
  if (negative) at++
  let value = 0
  for (let byte = bytes[at] as number; byte !== 13; byte = bytes[++at] as number) value = value * 10 + byte - 48
  lineEnd = at + 2
  return negative ? -value : value
}

/** Per payload, in order: null where it was written, the server's words where not. Payloads with an error are passed over. */
export async function writePayloads(lane: Lane, db: number, payloads: readonly Payload[]): Promise<(string | null)[]> {
  const sent = payloads.every(isRead) ? payloads : payloads.filter(isRead)
  if (sent.length === 0) return payloads.map((payload) => payload.error)
  const bytes = await exchange(lane, contextOf(2, db), sent.length, (to) => writeAll(to, sent))
  const outcomes: (string | null)[] = []
  let at = 0
  for (const payload of payloads) {
    if (payload.error !== null) {
      outcomes.push(payload.error)
      continue
    }
    // `+OK` and `:1` need no decoding, which is nearly all of them.
    if (bytes[at] === 45) {
      const reply = decodeReply(bytes, at)
      outcomes.push((reply.value as { error: string }).error)
      at = reply.next
    } else {
      outcomes.push(null)
      at = bytes.indexOf(10, at) + 1
    }
  }
  return outcomes
}

function dumpFrame(keys: readonly Buffer[], expiryHead: Buffer): Buffer {
  let size = 0
  for (const key of keys) size += 2 * key.length + dumpHead.length + expiryHead.length + 32
  const out = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const key of keys) {
    at = put(out, at, dumpHead)
    at = putBulk(out, at, key)
    at = put(out, at, expiryHead)
    at = putBulk(out, at, key)
  }
  return out.subarray(0, at)
}

/** All commands in one buffer, but for large values, which go out as the slices they came in. */
function writeAll(lane: Lane, payloads: readonly Payload[]): void {
  let size = 0
  for (const { key, bytes } of payloads)
    size += key.length + overheadBytes + (bytes !== null && bytes.length <= inlineBytesMax ? bytes.length : 0)
  const out = Buffer.allocUnsafeSlow(size)
  let written = 0
  let at = 0
  for (const { key, bytes, expiresAtMs, access } of payloads) {
    at = put(out, at, bytes === null ? unlinkHead : access === undefined ? restoreHead : restoreUsedHead)
    at = putBulk(out, at, key)
    if (bytes === null) continue
    at = putLength(out, at, digitsOf(expiresAtMs))
    at = putNumber(out, at, expiresAtMs)
    out[at++] = 13
    out[at++] = 10
    at = putLength(out, at, bytes.length)
    if (bytes.length <= inlineBytesMax) at += bytes.copy(out, at)
    else {
      lane.write(out, written, at)
      lane.write(bytes, 0, bytes.length)
      written = at
    }
    at = put(out, at, restoreTail)
    if (access === undefined) continue
    at = put(out, at, accessHeads[access.option])
    at = putLength(out, at, digitsOf(access.value))
    at = putNumber(out, at, access.value)
    out[at++] = 13
    out[at++] = 10
  }
  lane.write(out, written, at)
}
