/**
 * One connection to one side that carries one client's subscriptions, in protocol 3. A SUBSCRIBE has no reply but its pushes, or one
 * error and no push: so behind each goes a HELLO, which any user may send and which always has exactly one reply. When that is in, all
 * of the command before it is in, and every message that the server sent before.
 */
import { encodeCommand } from '../resp/encode.ts'
import type { Side } from '../routing/modes.ts'
import { ChannelSet } from './channel-set.ts'
import { contextOf, type Lane, type LaneOwner } from './lane.ts'
import type { ReplyLane, Waiter } from './waiter.ts'

export interface SubscriptionOwner {
  /** A whole push; the bytes are the owner's. `confirmation`: it is no message. */
  pushed(lane: SubscriptionLane, push: Buffer, confirmation: boolean): void
  /** The connection is gone for good: it does not come back by itself, since nobody could tell what it missed. */
  lost(lane: SubscriptionLane, reason: string): void
}

interface Exchange {
  readonly frame: Buffer | null
  /** It has a reply of its own, and no fence. */
  readonly single: boolean
  /** What the server said in place of a confirmation. */
  error: Buffer | null
  readonly done: (error: Buffer | null) => void
}

const fence = encodeCommand(['HELLO'])

export class SubscriptionLane implements LaneOwner, Waiter {
  readonly sums = false
  readonly channels = new ChannelSet()
  readonly side: Side
  readonly #lane: Lane
  readonly #owner: SubscriptionOwner
  /** Asked for and not answered, the oldest first; sent as soon as the lane is up. Bounded by the owner: one command, users, and fences. */
  readonly #exchanges: Exchange[] = []
  #pieces: Buffer[] = []
  #closed = false

  constructor(like: Lane, owner: SubscriptionOwner) {
    this.side = like.side
    this.#owner = owner
    this.#lane = like.sibling(this)
    this.#lane.connect()
  }

  /** `done` is called when everything up to here is in, with the server's error where it refused; never, if the connection is lost first. */
  ask(frame: Buffer | null, done: (error: Buffer | null) => void): void {
    this.#put({ frame, single: false, error: null, done })
  }

  /** What is asked from now on is asked as the user of `like`; `refused` is called if the server does not want that. */
  enter(like: Lane, subscriber: number, refused: (error: Buffer) => void): void {
    const frame = like.authentication
    const done = (error: Buffer | null): void => {
      if (error === null) this.channels.subscriber = subscriber
      else refused(error)
    }
    // Behind what was asked before, whose channels are the former user's.
    this.#put({ frame, single: frame !== null, error: null, done })
  }

  #put(exchange: Exchange): void {
    this.#exchanges.push(exchange)
    if (this.#lane.up) this.#send(exchange)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#exchanges.length = 0
    this.#lane.close()
  }

  laneUp(lane: Lane): void {
    lane.prepare(contextOf(3, 0))
    for (const exchange of this.#exchanges) this.#send(exchange)
  }

  laneDown(_lane: Lane, error: Error): void {
    if (this.#closed) return
    this.close()
    this.#owner.lost(this, error.message)
  }

  lanePush(_lane: Lane, push: Buffer): void {
    if (!this.#closed) this.#owner.pushed(this, push, this.channels.note(push))
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    const reply = Buffer.concat(this.#pieces)
    this.#pieces = []
    const first = this.#exchanges[0]
    if (first === undefined) return
    if (lane.errors > 0 && first.single) first.error = reply
    else if (lane.errors > 0 && first.frame !== null && first.error === null) {
      // In place of the confirmations; the fence behind it is still to come.
      first.error = reply
      this.#lane.expect(this, 1)
      return
    }
    this.#exchanges.shift()
    first.done(first.error)
  }

  lost(): void {
    // `laneDown` follows.
  }

  #send({ frame, single }: Exchange): void {
    if (single && frame !== null) {
      this.#lane.send(frame, 0, frame.length, this, 1)
      return
    }
    if (frame !== null) this.#lane.write(frame, 0, frame.length)
    this.#lane.send(fence, 0, fence.length, this, 1)
  }
}
