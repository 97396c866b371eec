/** A client's command that changes function libraries, on its way to both sides. */
import type { Side } from '../routing/modes.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { Core } from './core.ts'
import { loseOne } from './lost-reply.ts'
import { ReplySlot } from './reply-queue.ts'

/** The client gets the authority's answer. */
export class LibraryWrite extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #client: Client
  readonly #name: string
  readonly #changed: () => void
  readonly #authority: Side
  readonly #replies: Record<Side, Buffer[]> = { source: [], target: [] }
  #left = 2

  constructor(core: Core, client: Client, name: string, changed: () => void) {
    super()
    this.#core = core
    this.#client = client
    this.#name = name
    this.#changed = changed
    this.#authority = core.traffic.authority
    core.libraries.begin(client.pair.id)
  }

  /** The follower gets none of it. */
  alone(): void {
    this.#over()
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#replies[lane.side].push(chunk.subarray(from, to))
    if (lane.side === this.#authority) this.#client.replies.deliver(this, chunk, from, to, ended)
    if (!ended) return
    this.#core.counters.sides[lane.side][lane.errors > 0 ? 'error' : 'ok']++
    if (--this.#left > 0) return
    const [source, target] = [Buffer.concat(this.#replies.source), Buffer.concat(this.#replies.target)]
    const bothRefused = source[0] === 45 && target[0] === 45
    if (!bothRefused && !source.equals(target)) {
      const follower = this.#authority === 'source' ? target : source
      this.#core.libraries.differ(`the follower answered ${this.#name} with ${follower.toString('utf8', 0, 200).trim()}`)
    }
    this.#end()
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    this.#core.counters.sides[lane.side].lost++
    this.#core.libraries.differ(`${lane.side} was lost before it answered ${this.#name}`)
    if (lane.side === this.#authority) loseOne(this.#core, this.#client, this, lane, midReply)
    // Nothing is left to compare with.
    this.#replies.source = []
    this.#replies.target = []
    this.#over()
  }

  #over(): void {
    if (--this.#left === 0) this.#end()
  }

  #end(): void {
    this.#core.libraries.end()
    this.#changed()
  }
}
