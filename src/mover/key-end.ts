/** What became of one key that was copied by rules. */
import type { SkipReason } from '../routing/copy-rules.ts'
import type { Side } from '../routing/modes.ts'

export type KeyEnd =
  | { readonly kind: 'copied'; readonly bytes: number }
  /** The source does not have it. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'failed'; readonly error: string; readonly side: Side }

/** By the key's own Buffer; what has no end when a connection goes is unknown. */
export type KeyEnds = Map<Buffer, KeyEnd>
