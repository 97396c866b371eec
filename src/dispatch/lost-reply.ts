/** What a client sees when the side that should have answered is lost. */
import { Kind } from '../commands/spec.ts'
import { wireError } from '../errors.ts'
import type { Side } from '../routing/modes.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import { framesIn, keysOf, specOf, stripesOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { LanePair } from './lane-pair.ts'
import type { ReplySlot } from './reply-queue.ts'

/** A run of commands that some replies are owed for. */
export interface Owed extends ReplySlot, Waiter {
  readonly client: Client
  readonly pair: LanePair
  readonly context: number
  readonly db: number
  answering: Side
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  readonly count: number
}

/**
 * A read that a lost follower owes is asked of the authority instead: repeating a read is safe. Everything else has an unknown
 * outcome, and the client is told so, once per missing reply.
 */
export function loseReply(core: Core, batch: Owed, lane: ReplyLane, left: number, midReply: boolean): void {
  const { client } = batch
  if (midReply) {
    client.abort(`${lane.side} was lost in the middle of a reply`)
    return
  }
  const asksAgain = isRead(batch) && lane.side === core.traffic.follower && core.accepts(core.authorityLane(batch.pair))
  if (asksAgain && !overtaken(batch)) {
    askAgain(core, batch, left)
    return
  }
  const error = unknownOutcome(core, lane)
  const all = left === 1 ? error : Buffer.concat(new Array<Buffer>(left).fill(error))
  client.replies.deliver(batch, all, 0, all.length, true)
}

/** Ferry's own error in the place of a reply. Counts it. */
export function unknownOutcome(core: Core, lane: ReplyLane): Buffer {
  core.counters.clientError('unknown-outcome')
  return wireError('unknown-outcome', `${lane.side} was lost before it answered (${lane.lastError ?? 'connection closed'})`)
}

/** One write's answer is lost: nobody knows what became of it, and the client is told so. */
export function loseOne(core: Core, client: Client, slot: ReplySlot, lane: ReplyLane, midReply: boolean): void {
  if (midReply) {
    client.abort(`${lane.side} was lost in the middle of a reply`)
    return
  }
  const error = unknownOutcome(core, lane)
  client.replies.deliver(slot, error, 0, error.length, true)
}

/** Judged by the commands themselves: a PUBLISH is not compared either, and must never be repeated. */
function isRead({ buf, start, end }: Owed): boolean {
  for (const frame of framesIn(buf, start, end)) if (specOf(frame).write || specOf(frame).kind === Kind.Publish) return false
  return true
}

/** Whether this client has meanwhile sent a write that the read would now see: its own later command, which must not be so. */
function overtaken(batch: Owed): boolean {
  const read = new Set(stripesIn(batch))
  for (let slot = batch.next; slot !== null; slot = slot.next) {
    if (!isOwed(slot)) return true
    if (slot.sums && stripesIn(slot).some((stripe) => read.has(stripe))) return true
  }
  return false
}

const isOwed = (slot: ReplySlot): slot is Owed => 'buf' in slot && 'count' in slot

function stripesIn({ buf, start, end, db }: Owed): number[] {
  const stripes: number[] = []
  for (const frame of framesIn(buf, start, end)) {
    for (const stripe of stripesOf(keysOf(specOf(frame), frame, db) ?? [])) stripes.push(stripe)
  }
  return stripes
}

function askAgain(core: Core, batch: Owed, left: number): void {
  const lane = core.authorityLane(batch.pair)
  let start = batch.start
  let skip = batch.count - left
  for (const frame of framesIn(batch.buf, batch.start, batch.end)) {
    if (skip === 0) {
      start = frame.frameStart
      break
    }
    skip--
  }
  batch.answering = lane.side
  lane.prepare(batch.context)
  lane.send(batch.buf, start, batch.end, batch, left)
}
