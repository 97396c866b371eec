/**
 * Keys by slot, for CLUSTER COUNTKEYSINSLOT, GETKEYSINSLOT and SLOT-STATS. A server that is in no cluster does not keep them so, hence all
 * keys of the authority are scanned, page by page, with the rights of the client that asks. Keys that come and go meanwhile may be
 * counted or not, and one that SCAN gives twice counts twice.
 */
import { type ArgView, argInteger, argIs } from '../commands/arg-view.ts'
import type { Sent } from '../dispatch/frame.ts'
import { exchange } from '../dispatch/key-transfer.ts'
import { wireError } from '../errors.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeArray, encodeBulk, encodeCommand, encodeError, encodeInteger, encodeMap, replies } from '../resp/encode.ts'
import { slotCount, slotOf } from '../routing/slot.ts'
import { contextOf } from '../upstream/lane.ts'
import { answer, answerLater } from './answers.ts'
import type { ClientSession } from './client-session.ts'

const pageKeys = 1_000
/** Bytes of keys that one GETKEYSINSLOT may give; beyond it the client is told to ask for fewer. */
const givenBytesMax = 64 * 1024 * 1024

/** False ends the walk. */
type Visit = (key: Buffer, slot: number) => boolean

export function countKeysIn(session: ClientSession, wanted: number): Sent {
  let count = 0
  const visit = (_key: Buffer, slot: number): boolean => {
    if (slot === wanted) count++
    return true
  }
  return walk(session, visit, () => encodeInteger(count))
}

export function keysIn(session: ClientSession, wanted: number, most: number): Sent {
  if (most === 0) return answer(session, replies.emptyArray)
  const keys = new KeysOfSlot(wanted, most)
  return walk(
    session,
    (key, slot) => keys.visit(key, slot),
    () => keys.reply(),
  )
}

/** The first keys of a slot, each of them once. */
export class KeysOfSlot {
  readonly #wanted: number
  readonly #most: number
  readonly #bytesMax: number
  readonly #keys = new Map<string, Buffer>()
  #bytes = 0

  constructor(wanted: number, most: number, bytesMax = givenBytesMax) {
    this.#wanted = wanted
    this.#most = most
    this.#bytesMax = bytesMax
  }

  /** False once it has enough, or too much. */
  visit(key: Buffer, slot: number): boolean {
    const name = key.toString('latin1')
    if (slot !== this.#wanted || this.#keys.has(name)) return true
    this.#bytes += key.length
    this.#keys.set(name, key)
    return this.#keys.size < this.#most && this.#bytes <= this.#bytesMax
  }

  reply(): Buffer {
    if (this.#bytes <= this.#bytesMax) return encodeArray([...this.#keys.values()].map(encodeBulk))
    return wireError('limit', `${this.#keys.size} keys are longer than ${this.#bytesMax} bytes together; ask for fewer`)
  }
}

/** SLOT-STATS SLOTSRANGE first last | ORDERBY KEY-COUNT [LIMIT n] [ASC|DESC]. The other figures are kept by servers where they are told to. */
export function slotStats(session: ClientSession, args: ArgView): Sent {
  const choice =
    args.argc === 5 && argIs(args, 2, 'slotsrange') ? rangeOf(args) : argIs(args, 2, 'orderby') ? orderOf(args) : null
  if (choice === null) {
    const text = "ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP."
    return answer(session, encodeError(text))
  }
  if (typeof choice === 'string') return answer(session, encodeError(choice))
  const counts = new Uint32Array(slotCount)
  const visit = (_key: Buffer, slot: number): boolean => {
    counts[slot] = (counts[slot] as number) + 1
    return true
  }
  const row = (slot: number): Buffer =>
    encodeArray([
      encodeInteger(slot),
      encodeMap([encodeBulk('key-count'), encodeInteger(counts[slot] as number)], session.protocol),
    ])
  return walk(session, visit, () => encodeArray(choice(counts).map(row)))
}

/** From keys by slot to the slots that are told, in their order; or an error text. */
type Choice = (counts: Uint32Array) => number[]

function rangeOf(args: ArgView): Choice | string {
  const [first, last] = [argInteger(args, 3), argInteger(args, 4)]
  if (!(first >= 0 && first < slotCount && last >= 0 && last < slotCount)) return 'ERR Invalid or out of range slot'
  if (first > last) return `ERR Start slot number ${first} is greater than end slot number ${last}`
  return () => Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function orderOf(args: ArgView): Choice | string {
  if (!argIs(args, 3, 'key-count')) return 'ERR Unrecognized sort metric for ORDERBY.'
  let [limit, limits, sign, signs] = [slotCount, 0, -1, 0]
  for (let i = 4; i < args.argc; i++) {
    if (argIs(args, i, 'limit') && i + 1 < args.argc) {
      limit = argInteger(args, ++i)
      if (!(limit >= 1 && limit <= slotCount)) return 'ERR Limit has to lie in between 1 and 16384 (maximum number of slots).'
      limits++
    } else if (argIs(args, i, 'asc') || argIs(args, i, 'desc')) {
      sign = argIs(args, i, 'asc') ? 1 : -1
      signs++
    } else return 'ERR syntax error'
    if (limits > 1 || signs > 1) return 'ERR Multiple filters of the same type are disallowed.'
  }
  return (counts) =>
    Array.from({ length: slotCount }, (_, slot) => slot)
      .sort((a, b) => sign * ((counts[a] as number) - (counts[b] as number)) || a - b)
      .slice(0, limit)
}

/** Nothing behind the command is looked at before its reply: a client has one walk at a time. */
function walk(session: ClientSession, visit: Visit, reply: () => Buffer): Sent {
  const deliver = answerLater(session)
  visitKeys(session, visit).then(
    (refusal) => deliver(refusal ?? reply()),
    (error: Error) => deliver(wireError('authority-unavailable', error.message)),
  )
  return 'sent'
}

/** The server's refusal, if it is one. Rejects where the authority is lost, or is another one before the end. */
async function visitKeys(session: ClientSession, visit: Visit): Promise<Buffer | null> {
  const { core } = session.shared
  const { side } = core.authorityLane(session.pair)
  let cursor = '0'
  do {
    const lane = core.authorityLane(session.pair)
    if (lane.side !== side) throw new Error('the authority changed while its keys were looked through')
    const frame = encodeCommand(['SCAN', cursor, 'COUNT', pageKeys])
    const bytes = await exchange(lane, contextOf(2, 0), 1, (to) => to.write(frame, 0, frame.length))
    const page = decodeReply(bytes).value
    if (isReplyError(page)) return bytes
    const [next, keys] = page as [Buffer, Buffer[]]
    for (const key of keys) if (!visit(key, slotOf(key, 0, key.length))) return null
    cursor = next.toString('latin1')
  } while (cursor !== '0' && !session.socket.destroyed)
  return null
}
