/**
 * The keys that one client watches, on a connection to the authority that it has to itself until EXEC, DISCARD or UNWATCH. The server
 * judges whether they changed. Where it cannot be asked any more (its connection is lost, another side is the authority, the client is
 * another user), they may have changed unseen, and EXEC answers as if they had.
 */

import type { DbKey } from '../dispatch/command-keys.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { wireError } from '../errors.ts'
import { encodeCommand, encodeError, replies } from '../resp/encode.ts'
import type { Lane } from '../upstream/lane.ts'
import type { PinHolder, PinRefusal } from '../upstream/pinned-pool.ts'
import { type ReplyLane, unheard, type Waiter } from '../upstream/waiter.ts'
import type { ClientSession } from './client-session.ts'
import type { WatchedKeys } from './client-waits.ts'

const unwatch = encodeCommand(['UNWATCH'])
/** Keys that are remembered per client; beyond it any key whose truth is on the follower counts as one of them. */
const rememberedKeysMax = 100_000

export class Watch implements PinHolder, WatchedKeys {
  readonly #session: ClientSession
  readonly #pair: LanePair
  readonly #shared: Lane
  readonly #flips: number
  readonly #keys: DbKey[] = []
  #tooManyKeys = false
  #lane: Lane | null = null
  #lost = false
  #executing = false
  #ended = false
  /** The WATCH that waits for the connection. */
  #asked: WatchReply | null = null

  constructor(session: ClientSession) {
    const { core } = session.shared
    this.#session = session
    this.#pair = session.pair
    this.#shared = core.authorityLane(session.pair)
    this.#flips = core.traffic.flips
  }

  get lane(): Lane | null {
    return this.broken ? null : this.#lane
  }

  get count(): number {
    return this.#keys.length
  }

  /** What was watched may have changed unseen. */
  get broken(): boolean {
    if (this.#lane !== null && !this.#lane.up) return true
    if (this.#lost || this.#pair !== this.#session.pair) return true
    return this.#flips !== this.#session.shared.core.traffic.flips || this.#changedElsewhere
  }

  /** While the authority was away from everybody else, the follower alone took a write: the server that watches does not know of it yet. */
  get #changedElsewhere(): boolean {
    const { journal, traffic } = this.#session.shared.core
    if (journal.from[traffic.follower] === 0) return false
    return this.#tooManyKeys || this.#keys.some(({ db, key }) => journal.truthOf(db, key) === traffic.follower)
  }

  /** Watches further keys. What the client sent before is answered first: it may have changed them. */
  add(frame: Buffer, keys: readonly DbKey[]): void {
    const session = this.#session
    if (this.#keys.length + keys.length > rememberedKeysMax) this.#tooManyKeys = true
    else for (const key of keys) this.#keys.push(key)
    if (this.broken) {
      session.replies.answer(replies.ok)
      return
    }
    const reply = new WatchReply(session, frame, session.context)
    session.replies.push(reply)
    session.holdBack()
    this.#shared.whenAnswered(() => {
      if (this.#ended) return
      if (this.#lane !== null) reply.send(this.#lane)
      else if (this.broken) reply.settle(replies.ok)
      else {
        this.#asked = reply
        session.shared.lanes.pinned.take(this.#shared, this)
      }
    })
  }

  /** EXEC is on its way on the connection, and ends the watch on the server as well. */
  executing(): void {
    this.#executing = true
  }

  /** EXEC is answered, or was not sent: the connection is for somebody else. */
  executed(sent: boolean): void {
    this.#executing = false
    this.#release(sent)
  }

  /** DISCARD, UNWATCH, RESET, or the client is gone. */
  end(): void {
    if (!this.#executing) this.#release(false)
    this.#ended = true
  }

  pinned(lane: Lane): void {
    this.#lane = lane
    const asked = this.#asked
    this.#asked = null
    if (this.#ended) this.#release(true)
    else asked?.send(lane)
  }

  refused(refusal: PinRefusal): void {
    this.#lost = true
    // The next WATCH tries again: this one told its client that it failed.
    if (this.#session.watch === this) this.#session.watch = null
    this.#session.shared.core.counters.clientError(refusal.why === 'limit' ? 'limit' : 'authority-unavailable')
    this.#asked?.settle(refusalText(refusal, this.#shared))
    this.#asked = null
  }

  unpinned(): void {
    this.#lane = null
    this.#lost = true
  }

  #release(clean: boolean): void {
    const lane = this.#lane
    const { pinned } = this.#session.shared.lanes
    this.#lane = null
    this.#lost = true
    if (lane === null) {
      pinned.forget(this.#shared, this)
      return
    }
    if (!clean && lane.up) lane.send(unwatch, 0, unwatch.length, unheard, 1)
    pinned.giveBack(lane)
  }
}

/** Why a client did not get the connection that it needs. */
export function refusalText({ why, text }: PinRefusal, shared: Lane): Buffer {
  if (why === 'limit') return wireError('limit', text)
  if (why === 'not-admitted') return encodeError(text)
  return wireError('authority-unavailable', `${shared.side} is not reachable (${text}); nothing was sent`)
}

class WatchReply extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #session: ClientSession
  readonly #frame: Buffer
  readonly #context: number
  #pieces: Buffer[] = []

  constructor(session: ClientSession, frame: Buffer, context: number) {
    super()
    this.#session = session
    this.#frame = frame
    this.#context = context
  }

  send(lane: Lane): void {
    lane.prepare(this.#context)
    lane.send(this.#frame, 0, this.#frame.length, this, 1)
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (ended) this.settle(Buffer.concat(this.#pieces))
  }

  /** EXEC will answer that the keys may have changed; until then there is nothing wrong. */
  lost(): void {
    this.settle(replies.ok)
  }

  settle(reply: Buffer): void {
    this.#session.replies.deliver(this, reply, 0, reply.length, true)
    this.#session.goOn()
  }
}
