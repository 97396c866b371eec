/**
 * A write of both sides whose answers are compared by meaning: they tell scores, which two versions of a server write differently
 * (`1.1000000000000001` before Redis 7.2, `1.1` since). By their bytes the two sides would seem to disagree over every one of them.
 */
import type { CommandSpec } from '../commands/spec.ts'
import { sameReply } from '../routing/compare-replies.ts'
import type { Side } from '../routing/modes.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import { loseOne } from './lost-reply.ts'
import { ReplySlot } from './reply-queue.ts'

const tellScores: ReadonlySet<string> = new Set(['zincrby', 'zpopmin', 'zpopmax', 'zmpop', 'zadd'])

export class MeantWrite extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #client: Client
  readonly #spec: CommandSpec
  readonly #keys: readonly DbKey[]
  /** Of the moment it was sent; the client gets this side's answer. */
  readonly #authority: Side
  readonly #pieces: Record<Side, Buffer[]> = { source: [], target: [] }
  readonly #sentMs: number
  #first: Buffer | null = null

  static suits(spec: CommandSpec): boolean {
    return tellScores.has(spec.name)
  }

  /** `keys` are owned. */
  constructor(core: Core, client: Client, spec: CommandSpec, keys: readonly DbKey[]) {
    super()
    this.#core = core
    this.#client = client
    this.#spec = spec
    this.#keys = keys
    this.#authority = core.traffic.authority
    this.#sentMs = core.turn.nowMs
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    const answering = lane.side === this.#authority
    this.#pieces[lane.side].push(chunk.subarray(from, to))
    if (answering) this.#client.replies.deliver(this, chunk, from, to, ended)
    if (!ended) {
      if (answering) this.#client.pressed(lane)
      return
    }
    const tookUs = this.#core.answered(lane, this.#sentMs)
    if (answering) this.#core.latencies.client.record(tookUs)
    const reply = Buffer.concat(this.#pieces[lane.side])
    if (this.#first === null) this.#first = reply
    else if (!sameReply(this.#spec, this.#first, reply)) this.#disagreed()
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    this.#core.counters.sides[lane.side].lost++
    this.#core.doubt(this.#keys, `${lane.side} was lost before its answer`, lane.side === this.#authority)
    if (lane.side === this.#authority) loseOne(this.#core, this.#client, this, lane, midReply)
  }

  /** The follower gets no half of it: it is down, or it would have to wait too long. */
  skipFollower(reason: string): void {
    this.#core.doubt(this.#keys, reason)
  }

  #disagreed(): void {
    this.#core.doubt(this.#keys, 'the two sides answered differently')
    // Before everything is copied the follower lacks most keys: a different answer says nothing yet.
    if (this.#core.traffic.covered) this.#core.counters.divergence(this.#spec.family)
  }
}
