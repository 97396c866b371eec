/**
 * A run of consecutive plain commands of one client, carried as one slice: to one side, or to both. The one object that the hot path
 * makes, one per run and not per command; it keeps the run's bytes, so that its keys can be named if the sides disagree or one is lost.
 */
import { Kind } from '../commands/spec.ts'
import type { Side } from '../routing/modes.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import { type DbKey, framesIn, keysOf, specOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { LanePair } from './lane-pair.ts'
import { loseReply } from './lost-reply.ts'
import { ReplySlot } from './reply-queue.ts'

export class Batch extends ReplySlot implements Waiter {
  /** Set on runs that go to both sides: their replies are compared by sum. */
  readonly sums: boolean
  readonly client: Client
  readonly pair: LanePair
  /** Protocol and database at the time; the client may have moved on. */
  readonly context: number
  readonly db: number
  /** The side whose bytes the client gets. */
  answering: Side
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  readonly count: number
  /** The keys, where the frame is not there whole to read them from. */
  keys: readonly DbKey[] | null = null
  readonly #core: Core
  readonly #sentMs: number
  #otherEnded = false
  #sum = 0

  constructor(
    core: Core,
    client: Client,
    answering: Side,
    both: boolean,
    buf: Buffer,
    start: number,
    end: number,
    count: number,
  ) {
    super()
    this.#core = core
    this.client = client
    this.pair = client.pair
    this.context = client.context
    this.db = client.db
    this.answering = answering
    this.sums = both
    this.buf = buf
    this.start = start
    this.end = end
    this.count = count
    this.#sentMs = core.turn.nowMs
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    const core = this.#core
    const answering = lane.side === this.answering
    if (answering) this.client.replies.deliver(this, chunk, from, to, ended)
    if (!ended) {
      if (answering) this.client.pressed(lane)
      return
    }
    const tookUs = (core.turn.nowMs - this.#sentMs) * 1000
    const side = core.counters.sides[lane.side]
    side.ok += this.count - lane.errors
    side.error += lane.errors
    core.latencies[lane.side].record(tookUs)
    if (answering) {
      core.latencies.client.record(tookUs)
      if (!this.sums) side.readsServed += this.count
    }
    if (!this.sums) return
    if (!this.#otherEnded) {
      this.#otherEnded = true
      this.#sum = lane.sum
    } else if (this.#sum !== lane.sum) this.#disagreed()
  }

  lost(lane: ReplyLane, left: number, midReply: boolean): void {
    const core = this.#core
    core.counters.sides[lane.side].lost += left
    if (this.sums) this.journal(`${lane.side} was lost before its answer`, lane.side === core.traffic.authority)
    if (lane.side === this.answering) loseReply(core, this, lane, left, midReply)
  }

  /** The follower gets no half of this run: it is down, or it would have to wait too long. */
  skipFollower(reason: string): void {
    this.journal(reason)
  }

  /** `unknown`: the client is told that nobody knows; then whoever decides about the keys goes on to. */
  journal(reason: string, unknown = false): void {
    if (this.keys !== null) {
      this.#core.doubt(this.keys, reason, unknown)
      return
    }
    for (const frame of framesIn(this.buf, this.start, this.end)) {
      const spec = specOf(frame)
      if (spec.kind === Kind.WriteGlobal) this.#core.doubtAll(`${spec.name}: ${reason}`)
      else this.#core.doubt(keysOf(spec, frame, this.db) ?? [], reason, unknown)
    }
  }

  #disagreed(): void {
    const { traffic, counters } = this.#core
    this.journal('the two sides answered differently')
    // Before everything is copied the follower lacks most keys: a different answer says nothing yet.
    if (!traffic.covered) return
    for (const frame of framesIn(this.buf, this.start, this.end)) {
      counters.divergence(specOf(frame).family)
      return
    }
  }
}
