/**
 * A write of both sides that goes under another name than its client wrote. Its user may send that one, or did when it was asked
 * (form-check.ts); should the server refuse it now, for the rights were changed or are others for this key, the command goes again as it
 * was written, to the authority alone.
 */
import { otherFormOf } from '../commands/other-forms.ts'
import type { Side } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import { type DbKey, stripesOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Frame } from './frame.ts'
import { loseOne } from './lost-reply.ts'
import { Stripe } from './order-board.ts'
import { ReplySlot } from './reply-queue.ts'

/** What a client wrote, in one piece, and the name under which it goes. */
export interface Renamed {
  readonly name: string
  readonly form: string
  readonly original: Frame
}

/** How to carry a command under that name; null where it keeps its own. */
export function renamedAs(name: string, original: Frame): Renamed | null {
  const form = otherFormOf(name)
  return form === null ? null : { name, form: form.name, original }
}

/** The reply as a server would have given it to the client's own command; a refusal is taken note of. */
export function renamedReply(core: Core, lane: Lane, { name, form }: Renamed, key: DbKey, reply: Buffer): Buffer {
  if (reply[0] !== 45) return reply
  if (core.forms.heard(lane, name, key, reply)) core.forms.forget(lane)
  return Buffer.from(reply.toString('latin1').replace(`'${form}'`, `'${name}'`), 'latin1')
}

export class RenamedWrite extends ReplySlot implements Waiter {
  readonly sums = true
  readonly #core: Core
  readonly #client: Client
  readonly #family: string
  readonly #renamed: Renamed
  readonly #key: DbKey
  readonly #context: number
  /** Of the moment it was sent; the client gets this side's answer. */
  readonly #authority: Side
  readonly #sentMs: number
  #pieces: Buffer[] = []
  #sum: number | null = null

  /** `key` is owned. */
  constructor(core: Core, client: Client, family: string, renamed: Renamed, key: DbKey) {
    super()
    this.#core = core
    this.#client = client
    this.#family = family
    this.#renamed = renamed
    this.#key = key
    this.#context = client.context
    this.#authority = core.traffic.authority
    this.#sentMs = core.turn.nowMs
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    const answering = lane.side === this.#authority
    if (answering) this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    const tookUs = this.#core.answered(lane, this.#sentMs)
    // Before it is sent again: what the two sides made of it is not alike then.
    if (this.#sum === null) this.#sum = lane.sum
    else if (this.#sum !== lane.sum) this.#disagreed()
    if (!answering) return
    this.#core.latencies.client.record(tookUs)
    this.#answered(lane as Lane, Buffer.concat(this.#pieces))
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    this.#core.counters.sides[lane.side].lost++
    this.#doubt(`${lane.side} was lost before its answer`, lane.side === this.#core.traffic.authority)
    if (lane.side === this.#authority) loseOne(this.#core, this.#client, this, lane, midReply)
  }

  /** The follower gets no half of it: it is down, or it would have to wait too long. */
  skipFollower(reason: string): void {
    this.#doubt(reason)
  }

  #answered(lane: Lane, reply: Buffer): void {
    const { forms } = this.#core
    if (forms.heard(lane, this.#renamed.name, this.#key, reply) && this.#sentAsWritten(lane)) return
    const told = renamedReply(this.#core, lane, this.#renamed, this.#key, reply)
    this.#client.replies.deliver(this, told, 0, told.length, true)
  }

  /**
   * No hidden retry of a write: a server refuses a command before it begins to run it, so nothing has happened. Not where something of this
   * client stands behind it, which has run already, nor while a barrier waits for what is under way.
   */
  #sentAsWritten(lane: Lane): boolean {
    const { board, traffic, intents, notes } = this.#core
    const stripes = stripesOf([this.#key])
    const closed = stripes.some((stripe) => ((board.flags[stripe] as number) & Stripe.closed) !== 0)
    if (this.next !== null || closed || board.gates > 0) return false
    if (lane.side !== traffic.authority || !this.#core.accepts(lane)) return false
    // Nothing of this client, and no flip, may come before it is answered.
    this.#client.holdBack()
    const ticket = board.reserve(stripes)
    intents?.keys([this.#key])
    // What was noted when it was sent under the other name may be forgotten: that one has been answered.
    notes.changed([this.#key], `${this.#renamed.name} may have changed any part of it`)
    this.#doubt(`${this.#renamed.name} runs on the authority as it was written`)
    const done = (): void => {
      board.arm(ticket, () => undefined)
      this.#client.goOn()
    }
    const { buf, start, end } = this.#renamed.original
    lane.prepare(this.#context)
    lane.send(buf, start, end, new AsWritten(this.#core, this.#client, this, this.#renamed.name, done), 1)
    this.#core.counters.sides[lane.side].commands++
    return true
  }

  #disagreed(): void {
    this.#doubt('the two sides answered differently')
    // Before everything is copied the follower lacks most keys: a different answer says nothing yet.
    if (this.#core.traffic.covered) this.#core.counters.divergence(this.#family)
  }

  #doubt(reason: string, unknown = false): void {
    this.#core.doubt([this.#key], reason, unknown)
  }
}

/** The authority's reply to what the client wrote, in the place of the one that was refused. */
class AsWritten implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #client: Client
  readonly #slot: ReplySlot
  readonly #name: string
  readonly #done: () => void

  constructor(core: Core, client: Client, slot: ReplySlot, name: string, done: () => void) {
    this.#core = core
    this.#client = client
    this.#slot = slot
    this.#name = name
    this.#done = done
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#client.replies.deliver(this.#slot, chunk, from, to, ended)
    if (!ended) return
    this.#core.counters.sides[lane.side][lane.errors > 0 ? 'error' : 'ok']++
    // Its rights are not the same for all keys, or were changed: what is true of one key is not taken for granted any more.
    if (lane.errors === 0) this.#core.forms.giveUp(lane as Lane, this.#name)
    this.#done()
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    this.#core.counters.sides[lane.side].lost++
    loseOne(this.#core, this.#client, this.#slot, lane, midReply)
    this.#done()
  }
}
