/** Whoever keeps state on the authority that no lane carries (subscriptions, blocked clients, tracking) and has to move it at a flip. */
import type { Side } from '../routing/modes.ts'

export interface FlipListener {
  /** Before the gate closes: the new authority may be made ready. May be called again if the flip is tried again. Must not reject. */
  prepare(authority: Side): Promise<void>
  /** Right after the change, synchronously: behind the barrier nothing is under way; a forced rollback flips without one. */
  flipped(authority: Side): void
}
