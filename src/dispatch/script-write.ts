/**
 * A script on its way to the authority. Its declared keys are in the journal; a window of the watch tells what else it wrote. A server
 * that lacks the script is given it, and asked again, where nothing of this client stands behind: nothing had run.
 */
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { Core } from './core.ts'
import { loseOne } from './lost-reply.ts'
import { ReplySlot } from './reply-queue.ts'
import type { ScriptWindow } from './script-watch.ts'

export interface ScriptErrand {
  /** Null where nothing but declared keys is written, or where the rest cannot be seen. */
  readonly window: ScriptWindow | null
  /** Why anything may have changed if it ran, or null. */
  readonly unknownKeys: string | null
  /** Its reply waits until what it wrote is known, and so do the client's later commands. */
  readonly delays: boolean
  /** The server ran it, or said that it does not have it. */
  known(here: boolean): void
  /** Gives the server the script and sends the command again; false where the source is not known. */
  again(waiter: Waiter): boolean
}

const dash = 45

export class ScriptWrite extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #client: Client
  readonly #errand: ScriptErrand
  readonly #sentMs: number
  #kept: Buffer[] | null
  #tried = false

  constructor(core: Core, client: Client, errand: ScriptErrand) {
    super()
    this.#core = core
    this.#client = client
    this.#errand = errand
    this.#sentMs = core.turn.nowMs
    this.#kept = errand.delays ? [] : null
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    // An error is looked at before the client gets it.
    if (this.#kept === null && !this.begun && this.held === null && chunk[from] === dash) this.#kept = []
    if (this.#kept === null) {
      // The window is told first: what follows in this client's order may be read right away.
      this.#client.replies.deliver(this, chunk, from, to, ended)
      if (ended) this.#ended(lane, true)
      else this.#client.pressed(lane)
      return
    }
    this.#kept.push(chunk.subarray(from, to))
    if (ended) this.#endedKept(lane, Buffer.concat(this.#kept))
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    const { window, unknownKeys, delays } = this.#errand
    this.#core.counters.sides[lane.side].lost++
    window?.lost(lane as Lane)
    if (unknownKeys !== null) this.#core.doubtAll(unknownKeys)
    loseOne(this.#core, this.#client, this, lane, midReply && this.#kept === null)
    if (delays) this.#client.goOn()
  }

  #endedKept(lane: ReplyLane, reply: Buffer): void {
    const { window, delays } = this.#errand
    const missing = reply.toString('latin1', 0, 9) === '-NOSCRIPT'
    if (missing) {
      this.#errand.known(false)
      // A later command of this client has run already: the script must not run behind it.
      if (!this.#tried && this.next === null && this.#errand.again(this)) {
        this.#tried = true
        this.#kept = delays ? [] : null
        return
      }
    }
    if (!delays || window === null) {
      this.#deliver(reply)
      this.#ended(lane, !missing)
      if (delays) this.#client.goOn()
      return
    }
    window.whenSettled(() => {
      this.#deliver(reply)
      this.#client.goOn()
    })
    this.#ended(lane, !missing)
  }

  #ended(lane: ReplyLane, ran: boolean): void {
    this.#core.latencies.client.record(this.#core.answered(lane, this.#sentMs))
    if (ran && lane.errors === 0) this.#errand.known(true)
    // A script that fails keeps what it wrote until then.
    if (ran && this.#errand.unknownKeys !== null) this.#core.doubtAll(this.#errand.unknownKeys)
    this.#errand.window?.answered()
  }

  #deliver(reply: Buffer): void {
    this.#client.replies.deliver(this, reply, 0, reply.length, true)
  }
}
