/** Where a command stands that goes to a folded target. */
import type { DatabaseFold } from '../routing/database-layout.ts'

export interface FoldedAt {
  readonly fold: DatabaseFold
  /** The source's number. */
  readonly db: number
  readonly protocol: number
}
