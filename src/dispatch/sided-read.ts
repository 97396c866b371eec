/**
 * A read whose answer has to be looked at before the client gets its own: what the read modes that ask more than one side have in common.
 * Keeps each side's reply as it comes, counts, and tells the mode when a side has answered or is lost. The mode answers the client once.
 */
import type { CommandSpec } from '../commands/spec.ts'
import { type ErrorCode, wireError } from '../errors.ts'
import type { Side } from '../routing/modes.ts'
import { slotOf } from '../routing/slot.ts'
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import { type DbKey, ownKeys } from './command-keys.ts'
import type { Core } from './core.ts'
import type { LanePair } from './lane-pair.ts'
import { ReplySlot } from './reply-queue.ts'

/** What one side has said so far. */
export interface Answer {
  state: 'unasked' | 'asked' | 'answered' | 'lost'
  pieces: Buffer[]
  bytes: number
  /** The lane's checksum of the whole answer. */
  sum: number
  sentMs: number
}

const unasked = (): Answer => ({ state: 'unasked', pieces: [], bytes: 0, sum: 0, sentMs: 0 })

export abstract class SidedRead extends ReplySlot implements Waiter {
  readonly sums: boolean = false
  protected readonly core: Core
  protected readonly client: Client
  protected readonly spec: CommandSpec
  protected readonly keys: readonly DbKey[]
  protected readonly frame: Buffer
  /** As they were when the command came: the client may have moved on before a side is asked. */
  protected readonly pair: LanePair
  protected readonly context: number
  protected readonly answers: Readonly<Record<Side, Answer>> = { source: unasked(), target: unasked() }
  readonly #cameMs: number

  /** `frame` is the read's own; `keys` are copied. */
  constructor(core: Core, client: Client, spec: CommandSpec, keys: readonly DbKey[], frame: Buffer) {
    super()
    this.core = core
    this.client = client
    this.spec = spec
    this.keys = ownKeys(keys)
    this.frame = frame
    this.pair = client.pair
    this.context = client.context
    this.#cameMs = core.turn.nowMs
  }

  abstract start(): void

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    const answer = this.answers[lane.side]
    answer.bytes += to - from
    this.received(lane, chunk.subarray(from, to), ended)
    if (!ended) return
    this.core.answered(lane, answer.sentMs)
    answer.state = 'answered'
    answer.sum = lane.sum
    this.answered(lane.side)
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    this.core.counters.sides[lane.side].lost++
    const answer = this.answers[lane.side]
    answer.state = 'lost'
    answer.pieces = []
    this.unanswered(lane, midReply)
  }

  /** Part of a side's reply; the last part where `ended`. */
  protected received(lane: ReplyLane, bytes: Buffer, _ended: boolean): void {
    this.answers[lane.side].pieces.push(bytes)
  }

  protected abstract answered(side: Side): void
  protected abstract unanswered(lane: ReplyLane, midReply: boolean): void

  /** Asks one side; `behind` is another command right behind the read, its reply is part of the answer. */
  protected ask(side: Side, behind: Buffer | null = null): void {
    const lane = this.pair.lane(side)
    const answer = this.answers[side]
    answer.state = 'asked'
    answer.sentMs = this.core.turn.nowMs
    this.core.counters.sides[side].commands++
    lane.prepare(this.context)
    lane.send(this.frame, 0, this.frame.length, this, behind === null ? 1 : 2)
    if (behind !== null) lane.write(behind, 0, behind.length)
  }

  /** A side's whole answer in one piece. */
  protected whole(side: Side): Buffer {
    const answer = this.answers[side]
    if (answer.pieces.length !== 1) answer.pieces = [Buffer.concat(answer.pieces)]
    return answer.pieces[0] as Buffer
  }

  /** The client's reply, known now. */
  protected serve(side: Side, bytes: Buffer): void {
    this.noteServed(side)
    this.client.replies.deliver(this, bytes, 0, bytes.length, true)
  }

  protected noteServed(side: Side): void {
    this.core.counters.sides[side].readsServed++
    this.core.latencies.client.record((this.core.turn.nowMs - this.#cameMs) * 1000)
  }

  /** The side that had to answer was lost. */
  protected refuse(lane: Lane): void {
    this.#fail('unknown-outcome', `${lane.side} was lost before it answered (${lane.lastError ?? 'connection closed'})`)
  }

  /** The side that has to answer cannot be asked. */
  protected refuseUnasked(lane: Lane): void {
    this.#fail('authority-unavailable', `${lane.side} is not reachable (${lane.lastError ?? 'too much is waiting'})`)
  }

  #fail(code: ErrorCode, message: string): void {
    this.core.counters.clientError(code)
    const error = wireError(code, message)
    this.client.replies.deliver(this, error, 0, error.length, true)
  }
}

/** Whether everything at these keys is known to have been copied. */
export function covered(core: Core, keys: readonly DbKey[]): boolean {
  const slots = core.traffic.coveredSlots
  return keys.every(({ key }) => slotOf(key, 0, key.length) < slots)
}
