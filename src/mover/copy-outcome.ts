/** What became of the keys of one copy. */
import type { Side } from '../routing/modes.ts'

export interface CopyOutcome {
  copied: number
  deleted: number
  bytes: number
  /** Not tried: something else stands on them, or the hold made a client wait too long. */
  readonly busy: Buffer[]
  /** Refused by a server, with its words. */
  readonly failed: { readonly key: Buffer; readonly error: string; readonly side: Side }[]
  /** Not there on the reading side: these are the ones that count as deleted. */
  readonly absent: Buffer[]
  /** Left to the healing, since the other side has the truth of them. */
  passedOver: number
  /** A rule of the copy says so. */
  readonly skipped: Buffer[]
  /** A connection went: these may have been written or not. */
  readonly unknown: Buffer[]
  /** Not tried: each is to be copied by itself. None of a batch of one key, but for one behind the gate, where there is no time for it. */
  readonly long: Buffer[]
  /** Of the journal's entries when the values were read: marks up to then are covered by this copy. */
  readonly generations: Map<Buffer, number>
  lost: string | null
}

export const nothingDone = (): CopyOutcome => ({
  copied: 0,
  deleted: 0,
  bytes: 0,
  busy: [],
  failed: [],
  absent: [],
  passedOver: 0,
  skipped: [],
  unknown: [],
  long: [],
  generations: new Map(),
  lost: null,
})
