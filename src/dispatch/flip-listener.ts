/** Whoever keeps state on the authority that no lane carries (subscriptions, blocked clients, tracking) and has to move it at a flip. */
import type { Side } from '../routing/modes.ts'

export interface FlipListener {
  /** Before the gate closes: the new authority may be made ready. May be called again if the flip is tried again. Must not reject. */
  prepare(authority: Side): Promise<void>
  /** Right after the change, synchronously: behind the barrier nothing is under way; a forced rollback flips without one. */
  flipped(authority: Side): void
  /**
   * Behind the gate, with every command answered by both sides: resolves when nothing of those is on its way any more (a message, say).
   * The change follows at once, or `unfence`. A forced rollback does without.
   */
  fence?(): Promise<void>
  /** The gate opens, whether the authority has changed or not. */
  unfence?(): void
  /** The attempt to flip has ended, whether the authority has changed or not. A forced change may still follow. */
  over?(): void
}
