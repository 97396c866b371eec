/**
 * A write that runs on the authority, and whose reply tells what it did, alone or together with a small read that runs right behind it
 * (its companion, which the client does not see): that effect goes to the follower. Its keys' later writes reach the authority at once
 * and queue only their follower half behind it, so both sides see the same order.
 */
import { effectOf } from '../commands/effects.ts'
import type { ServerName } from '../commands/server-name.ts'
import { decodeReply, isReplyError, type Reply } from '../resp/decode.ts'
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import { sendEffect } from './effect-reply.ts'
import { loseOne } from './lost-reply.ts'
import type { Ticket } from './order-board.ts'
import { ReplySlot } from './reply-queue.ts'

/** The command, in memory of its own: it outlives the client's chunk. */
export interface EffectCommand {
  readonly name: string
  readonly argv: readonly Buffer[]
  readonly keys: readonly DbKey[]
  readonly authority: ServerName
  readonly follower: ServerName
}

export class EffectWrite extends ReplySlot implements Waiter {
  readonly sums = false
  /** Waits for the companion's reply; null where the command's own tells enough. */
  readonly companion: Waiter | null
  readonly #core: Core
  readonly #client: Client
  readonly #follower: Lane
  readonly #context: number
  readonly #command: EffectCommand
  readonly #ticket: Ticket
  readonly #sentMs: number
  #pieces: Buffer[] = []
  #isLost = false
  #reply: Reply = null

  constructor(core: Core, client: Client, command: EffectCommand, ticket: Ticket, accompanied: boolean) {
    super()
    this.#core = core
    this.#client = client
    // The lane of now: the sides may have changed places by the time the effect is known.
    this.#follower = client.pair.lane(core.traffic.follower)
    this.#context = client.context
    this.#command = command
    this.#ticket = ticket
    this.#sentMs = core.turn.nowMs
    this.companion = accompanied
      ? new Companion(
          core,
          (companion) => this.#told(companion),
          (reason) => this.#unknown(reason),
        )
      : null
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    this.#client.replies.deliver(this, chunk, from, to, ended)
    if (!ended) {
      this.#client.pressed(lane)
      return
    }
    this.#core.latencies.client.record(this.#core.answered(lane, this.#sentMs))
    this.#reply = decodeReply(Buffer.concat(this.#pieces)).value
    this.#pieces = []
    if (this.companion === null) this.#told(undefined)
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    this.#core.counters.sides[lane.side].lost++
    // Its companion has the last word: it is lost right after it, but for a cluster, where it may be sent again elsewhere and answered.
    this.#isLost = true
    if (this.companion === null) this.#unknown(`${lane.side} was lost before it answered`)
    loseOne(this.#core, this.#client, this, lane, midReply)
  }

  #told(companion: Reply | undefined): void {
    if (this.#isLost) {
      this.#unknown('its reply was lost, though not the one behind it')
      return
    }
    const { name, argv, authority, follower } = this.#command
    const reply = this.#reply
    const effect = effectOf(name, argv, reply, follower, {
      authority,
      companion: isReplyError(companion) ? undefined : companion,
    })
    this.#reply = null
    if (this.#core.notes.any)
      this.#core.notes.told(name, effect.how === 'copy' ? null : effect.how === 'none' ? [] : effect.frames, this.#command.keys)
    this.#core.board.arm(this.#ticket, () => {
      if (effect.how === 'copy') this.#doubt(`the reply of ${name} did not tell what it did`)
      else if (effect.how === 'none') return
      else if (!this.#core.accepts(this.#follower)) this.#doubt('the follower was not reachable')
      else sendEffect(this.#core, this.#follower, this.#context, effect, (reason) => this.#doubt(reason))
    })
  }

  #unknown(reason: string): void {
    this.#core.board.arm(this.#ticket, () => this.#doubt(reason, true))
    // What the follower gets behind this ticket must not be read as equal before then.
    this.#doubt(reason, true)
  }

  #doubt(reason: string, unknown = false): void {
    this.#core.doubt(this.#command.keys, reason, unknown)
  }
}

class Companion implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #told: (reply: Reply) => void
  readonly #unknown: (reason: string) => void
  #pieces: Buffer[] = []

  constructor(core: Core, told: (reply: Reply) => void, unknown: (reason: string) => void) {
    this.#core = core
    this.#told = told
    this.#unknown = unknown
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    this.#core.counters.sides[lane.side][lane.errors > 0 ? 'error' : 'ok']++
    this.#told(decodeReply(Buffer.concat(this.#pieces)).value)
  }

  lost(lane: ReplyLane): void {
    this.#core.counters.sides[lane.side].lost++
    this.#unknown(`${lane.side} was lost before it answered`)
  }
}
