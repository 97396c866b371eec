/**
 * One service connection that a server tells of changed keys: what is read on it is remembered by the server (CLIENT TRACKING), and the
 * next change of it comes back as a push. A server that refuses it, or RESP3, is asked again and again instead, by whoever owns this.
 */
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { contextOf, type Lane, type LaneOwner } from '../upstream/lane.ts'
import { exchange } from './key-transfer.ts'

export interface TrackingOwner {
  /** Connected, and it is known whether changes are told (`tracks`): what was asked on an earlier connection is forgotten. */
  trackingReady(from: TrackingLane): void
  /** These keys were changed, in whichever database; null: all of them. */
  changed(from: TrackingLane, keys: readonly Buffer[] | null): void
}

const hello = encodeCommand(['HELLO', '3'])
const trackingOn = encodeCommand(['CLIENT', 'TRACKING', 'ON'])

export class TrackingLane implements LaneOwner {
  ready = false
  /** Whether the server tells of changes. */
  tracks = false
  readonly lane: Lane
  readonly #owner: TrackingOwner

  /** Connects at once. `service`: the lane whose server and credentials it shares. */
  constructor(service: Lane, owner: TrackingOwner) {
    this.#owner = owner
    this.lane = service.sibling(this)
    this.lane.connect()
  }

  close(): void {
    this.lane.close()
  }

  /** Whether the key exists; asking is what makes the server tell of its next change. Rejects where the connection is lost. */
  async exists(db: number, key: Buffer): Promise<boolean> {
    const frame = encodeCommand(['EXISTS', key])
    const context = contextOf(this.tracks ? 3 : 2, db)
    const reply = await exchange(this.lane, context, 1, (to) => to.write(frame, 0, frame.length))
    // Where it may not ask, it cannot know either.
    return reply[0] !== 58 || reply[1] !== 48
  }

  laneUp(lane: Lane): void {
    void this.#start(lane).catch(() => undefined)
  }

  laneDown(): void {
    this.ready = false
    this.tracks = false
  }

  lanePush(_lane: Lane, push: Buffer): void {
    const { value } = decodeReply(push)
    if (!Array.isArray(value) || String(value[0]) !== 'invalidate') return
    const keys = value[1]
    this.#owner.changed(this, Array.isArray(keys) ? keys.filter((key): key is Buffer => Buffer.isBuffer(key)) : null)
  }

  async #start(lane: Lane): Promise<void> {
    const ask = async (frame: Buffer): Promise<boolean> =>
      !isReplyError(decodeReply(await exchange(lane, contextOf(2, 0), 1, (to) => to.write(frame, 0, frame.length))).value)
    // Asked on its own first: a refused HELLO between two commands would cost the connection.
    this.tracks = (await ask(hello)) && (await ask(trackingOn))
    this.ready = true
    this.#owner.trackingReady(this)
  }
}
