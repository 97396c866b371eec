/** Who waits for replies on a lane, and the ring in which they stand in the order their commands were sent. */
import type { Side } from '../routing/modes.ts'

/** What a waiter sees of the lane that brings its replies. */
export interface ReplyLane {
  readonly side: Side
  /** Of the waiter that just ended: a sum over its replies' bytes where it wanted one, and how many were errors. */
  readonly sum: number
  readonly errors: number
  readonly lastError: string | null
  /** Stops and goes on reading replies, for everybody on this lane. */
  pause(): void
  resume(): void
}

export interface Waiter {
  /** Whether the lane sums up the bytes of the replies (`lane.sum`), so that two sides can be compared without keeping them. */
  readonly sums: boolean
  /**
   * Bytes of the awaited replies, in order, as they came; a reply may come in several calls. `ended`: the last awaited reply ends at
   * `to`; `lane.sum` and `lane.errors` then speak of all of them. The slice may be kept, it is never written to again.
   */
  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void
  /** The connection is gone with `left` replies missing; the first of those was begun already where `midReply`. Outcome unknown. */
  lost(lane: ReplyLane, left: number, midReply: boolean): void
}

/** For replies that nobody needs: what they tell shows elsewhere. */
export const unheard: Waiter = { sums: false, take: () => undefined, lost: () => undefined }

const initialSize = 1024

/** Grows by doubling; the lane bounds how much is in flight. */
export class WaiterRing {
  head = 0
  tail = 0
  #waiters: (Waiter | null)[] = new Array<Waiter | null>(initialSize).fill(null)
  #counts = new Int32Array(initialSize)
  #mask = initialSize - 1

  get empty(): boolean {
    return this.head === this.tail
  }

  push(waiter: Waiter, count: number): void {
    if (this.tail - this.head > this.#mask) this.#grow()
    const at = this.tail & this.#mask
    this.#waiters[at] = waiter
    this.#counts[at] = count
    this.tail++
  }

  get first(): Waiter {
    return this.#waiters[this.head & this.#mask] as Waiter
  }

  get firstCount(): number {
    return this.#counts[this.head & this.#mask] as number
  }

  replaceFirst(waiter: Waiter): void {
    this.#waiters[this.head & this.#mask] = waiter
  }

  shift(): void {
    this.#waiters[this.head & this.#mask] = null
    this.head++
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2
    const waiters = new Array<Waiter | null>(size).fill(null)
    const counts = new Int32Array(size)
    for (let i = this.head; i < this.tail; i++) {
      waiters[i & (size - 1)] = this.#waiters[i & this.#mask] as Waiter
      counts[i & (size - 1)] = this.#counts[i & this.#mask] as number
    }
    this.#waiters = waiters
    this.#counts = counts
    this.#mask = size - 1
  }
}
