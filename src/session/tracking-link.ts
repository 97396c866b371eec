/**
 * The server connections of one tracking client: one that its reads go over, and that the server tells of changed keys. A server speaks
 * one protocol per connection, and only RESP3 has pushes: for a client in RESP2 a second connection takes them, by the server's REDIRECT.
 *
 * Connects by itself again after a loss, and switches tracking on anew; what was tracked before is forgotten then, which `down` tells.
 */
import { exchange } from '../dispatch/key-transfer.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Side } from '../routing/modes.ts'
import { contextOf, type Lane, type LaneOwner } from '../upstream/lane.ts'
import { type TrackingOptions, trackingCommand } from './tracking-options.ts'

/** What the link tells its client's tracking. */
export interface LinkEvents {
  ready(): void
  /** The server will not track: the words of its error, with the code. Final for this link. */
  refused(error: string): void
  /** It was ready, and is not any more. */
  down(): void
  /** A push as the server sent it. */
  pushed(push: Buffer): void
}

const invalidateHead = Buffer.from('>2\r\n$10\r\ninvalidate\r\n')

export class TrackingLink implements LaneOwner {
  readonly pair: LanePair
  readonly side: Side
  /** The connection that the reads go over. */
  readonly reads: Lane
  ready = false
  readonly #pushes: Lane
  readonly #events: LinkEvents
  #options: TrackingOptions
  /** The server's id of `#pushes`, where that is a connection of its own. */
  #pushId = 0
  #closed = false

  constructor(pair: LanePair, side: Side, protocol: number, options: TrackingOptions, events: LinkEvents) {
    this.pair = pair
    this.side = side
    this.#options = options
    this.#events = events
    this.reads = pair.lane(side).sibling(this)
    // Pushes alone need no second connection: nothing else goes over it.
    this.#pushes = protocol === 3 || options.bcast ? this.reads : pair.lane(side).sibling(this)
    this.#pushes.connect()
    if (this.#pushes !== this.reads) this.reads.connect()
  }

  /** Whether it can carry the reads of a client with these credentials and this protocol. */
  fits(pair: LanePair, side: Side, protocol: number): boolean {
    return pair === this.pair && side === this.side && (protocol === 3 || this.#options.bcast || this.#pushes !== this.reads)
  }

  /** CLIENT TRACKING ON once more: `added` is what this call named, `merged` what is on after it. */
  reconfigure(added: TrackingOptions, merged: TrackingOptions): void {
    this.#options = merged
    if (this.ready) void this.#switchOn(added)
  }

  /** Nothing is heard of it any more; its connections end once the reads on them are answered. */
  close(): void {
    this.#closed = true
    this.ready = false
    this.reads.whenAnswered(() => this.reads.close())
    if (this.#pushes !== this.reads) this.#pushes.close()
  }

  laneUp(lane: Lane): void {
    if (this.#closed) return
    if (!lane.admitted) this.#events.refused(lane.lastError ?? 'NOAUTH Authentication required.')
    else if (this.reads.up && this.#pushes.up) void this.#establish()
  }

  laneDown(): void {
    if (!this.ready) return
    this.ready = false
    this.#events.down()
  }

  lanePush(lane: Lane, push: Buffer): void {
    if (lane === this.#pushes && !this.#closed && push.subarray(0, invalidateHead.length).equals(invalidateHead)) {
      this.#events.pushed(push)
    }
  }

  async #establish(): Promise<void> {
    try {
      this.#pushId = this.#pushes === this.reads ? 0 : await this.#idOf(this.#pushes)
    } catch {
      return // The connection is lost; it comes up again by itself.
    }
    await this.#switchOn(this.#options)
  }

  async #switchOn(options: TrackingOptions): Promise<void> {
    const single = this.#pushes === this.reads
    const frame = encodeCommand(trackingCommand(options, this.#pushId))
    try {
      const bytes = await exchange(this.reads, contextOf(single ? 3 : 2, 0), 1, (lane) => lane.write(frame, 0, frame.length))
      if (this.#closed) return
      const reply = decodeReply(bytes).value
      if (isReplyError(reply)) this.#events.refused(reply.error)
      else if (!this.ready && this.reads.up && this.#pushes.up) {
        this.ready = true
        this.#events.ready()
      }
    } catch {
      // As above.
    }
  }

  async #idOf(lane: Lane): Promise<number> {
    const frame = encodeCommand(['CLIENT', 'ID'])
    const bytes = await exchange(lane, contextOf(3, 0), 1, (to) => to.write(frame, 0, frame.length))
    return Number(decodeReply(bytes).value)
  }
}
