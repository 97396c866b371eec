/** What the dispatch stage needs to know of a client, and what it may do to it. */
import type { ReplyLane } from '../upstream/waiter.ts'
import type { LanePair } from './lane-pair.ts'
import type { Parked } from './order-board.ts'
import type { ReplyQueue } from './reply-queue.ts'

export interface Client extends Parked {
  readonly id: number
  readonly pair: LanePair
  readonly replies: ReplyQueue
  readonly db: number
  readonly protocol: number
  /** Protocol and database as lanes know them. */
  readonly context: number
  /** When the command that is tried now was first parked; turn clock, 0 = not at all. */
  readonly parkedSinceMs: number
  /** Whether keys are watched for it: its reads then go to the side on which they are. */
  readonly watching: boolean
  /** Its name or user, for reads routed by tenant. */
  readonly tenant: string
  /** Part of a long reply came in from this lane: if the client cannot keep up, the lane may have to wait. */
  pressed(lane: ReplyLane): void
  /** Nothing behind the command that runs now is looked at until `goOn`. */
  holdBack(): void
  goOn(): void
  /** Closes the connection; for a reply that was cut in the middle and cannot be mended. */
  abort(reason: string): void
}
