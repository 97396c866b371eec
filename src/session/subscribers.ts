/**
 * All clients that are subscribed, and how they get from one authority to the other: each has its subscriptions on both before the gate
 * closes; behind it, when every PUBLISH has run on both, a fence on both connections proves that all its messages are here. From then on
 * the other connection's messages count. So each message is told once. A client for whom this cannot be proven is closed, as by a server
 * that goes away: it must not wait for messages that it has missed.
 */
import type { Core } from '../dispatch/core.ts'
import type { FlipListener } from '../dispatch/flip-listener.ts'
import type { Side } from '../routing/modes.ts'
import type { ChannelKind } from '../upstream/channel-set.ts'

/** One client's subscriptions as this file moves them. */
export interface Subscriber {
  /** Resolves once the same subscriptions are on that side, too, or never will be. */
  prepare(side: Side): Promise<void>
  /** Resolves once everything that both servers sent so far is in, or it is known that this cannot be had. */
  fence(): Promise<void>
  /** The authority is another now; false where the client had to be closed. */
  flipped(): boolean
  /** There will be no flip for now. */
  standDown(): void
}

/** One client's subscriptions as its commands see them. */
export interface ClientSubscriptions {
  /** Whether there is any. */
  readonly active: boolean
  count(kind: ChannelKind): number
  /** Sends a subscribing command; everything the client sent before is answered by then, so it cannot be overtaken. */
  change(frame: Buffer): void
  /** A reply that goes out behind every message that the server has sent until now. */
  fenceReply(bytes: Buffer): void
  /**
   * The client has just sent what may publish to itself: it hears of that right behind the reply and before the next one, as from servers
   * since Redis 7.2 (`pending_push_messages`). `waits`: nothing behind is looked at before.
   */
  ownMessages(waits: boolean): void
  /** Ends all subscriptions without a word: RESET, QUIT, and the end of the client. */
  close(): void
}

/** How long a flip waits for all subscriptions to be on the other side as well. */
export const prepareMs = 2_000

export class Subscribers implements FlipListener {
  /** The side that is to become the authority, while that is being tried. */
  next: Side | null = null
  readonly #core: Core
  readonly #all = new Set<Subscriber>()
  readonly #waiting: (() => void)[] = []
  #fenced = false

  constructor(core: Core) {
    this.#core = core
  }

  get size(): number {
    return this.#all.size
  }

  add(subscriber: Subscriber): void {
    this.#all.add(subscriber)
  }

  remove(subscriber: Subscriber): void {
    this.#all.delete(subscriber)
  }

  /** Runs `go` when subscriptions may change: now, or as soon as the flip that is under way is over. */
  whenOpen(go: () => void): void {
    if (this.#fenced) this.#waiting.push(go)
    else go()
  }

  async prepare(side: Side): Promise<void> {
    this.next = side
    if (this.#all.size === 0) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, prepareMs)
    })
    await Promise.race([late, Promise.all([...this.#all].map((subscriber) => subscriber.prepare(side)))])
    clearTimeout(timer)
  }

  async fence(): Promise<void> {
    this.#fenced = true
    await Promise.all([...this.#all].map((subscriber) => subscriber.fence()))
  }

  flipped(authority: Side): void {
    this.next = null
    const moved = [...this.#all].map((subscriber) => subscriber.flipped())
    if (moved.length === 0) return
    const closed = moved.filter((done) => !done).length
    this.#core.events.record('client', 'subscriptions moved to the new authority', {
      reason: closed === 0 ? null : 'clients that may have missed messages were closed',
      data: { authority, moved: moved.length - closed, closed },
    })
  }

  unfence(): void {
    if (!this.#fenced) return
    this.#fenced = false
    for (const go of this.#waiting.splice(0)) go()
  }

  over(): void {
    this.next = null
    for (const subscriber of this.#all) subscriber.standDown()
  }
}
