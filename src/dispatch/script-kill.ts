/**
 * SCRIPT KILL and FUNCTION KILL. The shared lane waits for the very script that is to be killed, so they travel on a connection of their
 * own, which is closed after the answer.
 */
import { wireError } from '../errors.ts'
import type { Lane, LaneOwner } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { Core } from './core.ts'
import { ReplySlot } from './reply-queue.ts'

/** From opening the connection to the answer. */
const answerMs = 5_000

export class ScriptKill extends ReplySlot implements LaneOwner, Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #client: Client
  readonly #frame: Buffer
  readonly #lane: Lane
  readonly #timer: NodeJS.Timeout

  /** `frame` is owned. Its place in the client's replies is taken at once. */
  constructor(core: Core, client: Client, frame: Buffer) {
    super()
    this.#core = core
    this.#client = client
    this.#frame = frame
    client.replies.push(this)
    this.#lane = core.authorityLane(client.pair).siblingWhileBusy(this)
    this.#timer = setTimeout(() => this.#fail(`no answer within ${answerMs} ms`), answerMs)
    this.#lane.connect()
  }

  laneUp(lane: Lane): void {
    lane.send(this.#frame, 0, this.#frame.length, this, 1)
  }

  laneDown(_lane: Lane, error: Error): void {
    this.#fail(error.message)
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#client.replies.deliver(this, chunk, from, to, ended)
    if (ended) this.#end()
  }

  lost(): void {
    // laneDown says why.
  }

  #fail(reason: string): void {
    if (this.finished) return
    this.#core.counters.clientError('unknown-outcome')
    const error = wireError('unknown-outcome', `${this.#lane.side} did not answer (${reason})`)
    this.#client.replies.deliver(this, error, 0, error.length, true)
    this.#end()
  }

  #end(): void {
    clearTimeout(this.#timer)
    // Not from within its own reply.
    queueMicrotask(() => this.#lane.close())
  }
}
