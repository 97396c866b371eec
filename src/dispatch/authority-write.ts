/** A write that runs on the authority alone, because two servers could make something different of it. Its keys are in the journal. */
import type { Side } from '../routing/modes.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { Core } from './core.ts'
import { loseOne } from './lost-reply.ts'
import { ReplySlot } from './reply-queue.ts'

export class AuthorityWrite extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #client: Client
  readonly #side: Side
  readonly #unknownKeys: string | null
  readonly #sentMs: number

  /** `unknownKeys`: why its keys could not be named; then success means that anything may have changed. */
  constructor(core: Core, client: Client, side: Side, unknownKeys: string | null) {
    super()
    this.#core = core
    this.#client = client
    this.#side = side
    this.#unknownKeys = unknownKeys
    this.#sentMs = core.turn.nowMs
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#client.replies.deliver(this, chunk, from, to, ended)
    if (!ended) {
      this.#client.pressed(lane)
      return
    }
    this.#core.latencies.client.record(this.#core.answered(lane, this.#sentMs))
    if (lane.errors === 0) this.#doubtAll()
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    this.#core.counters.sides[this.#side].lost++
    this.#doubtAll()
    loseOne(this.#core, this.#client, this, lane, midReply)
  }

  #doubtAll(): void {
    if (this.#unknownKeys !== null) this.#core.doubtAll(this.#unknownKeys)
  }
}
