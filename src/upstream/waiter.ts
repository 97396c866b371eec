/** Who waits for replies on a lane. */
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
