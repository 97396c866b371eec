/**
 * A write that runs on the authority, and whose reply tells what it did: that effect goes to the follower. Its keys' later writes reach
 * the authority at once and queue only their follower half behind it, so both sides see the same order.
 */
import { effectOf } from '../commands/effects.ts'
import { wireError } from '../errors.ts'
import { decodeReply } from '../resp/decode.ts'
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Ticket } from './order-board.ts'
import { ReplySlot } from './reply-queue.ts'

export class EffectWrite extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #client: Client
  readonly #follower: Lane
  readonly #context: number
  readonly #name: string
  readonly #argv: readonly Buffer[]
  readonly #keys: readonly DbKey[]
  readonly #ticket: Ticket
  readonly #sentMs: number
  #pieces: Buffer[] = []

  /** `argv` and `keys` are owned: they outlive the client's chunk. */
  constructor(core: Core, client: Client, name: string, argv: readonly Buffer[], keys: readonly DbKey[], ticket: Ticket) {
    super()
    this.#core = core
    this.#client = client
    // The lane of now: the sides may have changed places by the time the effect is known.
    this.#follower = client.pair.lane(core.traffic.follower)
    this.#context = client.context
    this.#name = name
    this.#argv = argv
    this.#keys = keys
    this.#ticket = ticket
    this.#sentMs = core.turn.nowMs
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    this.#client.replies.deliver(this, chunk, from, to, ended)
    if (!ended) return
    const { counters, latencies, turn, board } = this.#core
    const tookUs = (turn.nowMs - this.#sentMs) * 1000
    counters.sides[lane.side][lane.errors > 0 ? 'error' : 'ok']++
    latencies[lane.side].record(tookUs)
    latencies.client.record(tookUs)
    const effect = effectOf(this.#name, this.#argv, decodeReply(Buffer.concat(this.#pieces)).value)
    board.arm(this.#ticket, () => {
      if (effect.how === 'copy') this.#doubt(`the reply of ${this.#name} did not tell what it did`)
      else if (effect.how === 'frame') this.#follow(effect.frame, effect.expected)
    })
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    const { counters, board } = this.#core
    counters.sides[lane.side].lost++
    const reason = `${lane.side} was lost before it answered`
    board.arm(this.#ticket, () => this.#doubt(reason))
    // What the follower gets behind this ticket must not be read as equal before then.
    this.#doubt(reason)
    if (midReply) {
      this.#client.abort(`${lane.side} was lost in the middle of a reply`)
      return
    }
    counters.clientError('unknown-outcome')
    const error = wireError('unknown-outcome', `${reason} (${lane.lastError ?? 'connection closed'})`)
    this.#client.replies.deliver(this, error, 0, error.length, true)
  }

  #follow(frame: Buffer, expected: Buffer): void {
    const lane = this.#follower
    if (!this.#core.accepts(lane)) {
      this.#doubt('the follower was not reachable')
      return
    }
    lane.prepare(this.#context)
    lane.send(frame, 0, frame.length, new EffectReply(this.#core, expected, (reason) => this.#doubt(reason)), 1)
    this.#core.counters.sides[lane.side].commands++
  }

  #doubt(reason: string): void {
    const { journal, traffic, counters } = this.#core
    counters.journal.marks += this.#keys.length
    for (const { db, key } of this.#keys) journal.mark(db, key, traffic.authority, reason)
  }
}

/** The follower's answer to an effect; anything but the expected one means that the sides were not equal. */
class EffectReply implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #expected: Buffer
  readonly #doubt: (reason: string) => void
  #pieces: Buffer[] = []

  constructor(core: Core, expected: Buffer, doubt: (reason: string) => void) {
    this.#core = core
    this.#expected = expected
    this.#doubt = doubt
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    this.#core.counters.sides[lane.side][lane.errors > 0 ? 'error' : 'ok']++
    if (!Buffer.concat(this.#pieces).equals(this.#expected)) this.#doubt('the follower answered an effect differently')
  }

  lost(lane: ReplyLane): void {
    this.#core.counters.sides[lane.side].lost++
    this.#doubt(`${lane.side} was lost before it answered`)
  }
}
