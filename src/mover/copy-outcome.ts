/** What became of the keys of one copy. */
import type { Payload } from '../dispatch/key-transfer.ts'
import { Refused, Spoiled, Unread } from '../dispatch/moving/moving.ts'
import { otherSide, type Side } from '../routing/modes.ts'

export interface CopyOutcome {
  copied: number
  deleted: number
  /** Without what was counted window by window: of long values, nothing. */
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

/** The values were sent, and this is what the writing side said to each: null = it has it. */
export function countWritten(
  outcome: CopyOutcome,
  payloads: readonly Payload[],
  errors: readonly (string | null)[],
  from: Side,
): void {
  for (let i = 0; i < payloads.length; i++) {
    const { key, bytes, typed, error: unread } = payloads[i] as Payload
    const error = errors[i] as string | null
    if (error !== null) outcome.failed.push({ key, error, side: unread === null ? otherSide(from) : from })
    else if (bytes === null && typed === null) {
      outcome.deleted++
      outcome.absent.push(key)
    } else {
      outcome.copied++
      outcome.bytes += bytes?.length ?? typed?.sizeBytes ?? 0
    }
  }
}

/** Nothing of the key was written, for this reason: a server refused it, or it is to be tried again. */
export function noteFailure(outcome: CopyOutcome, key: Buffer, error: Error, from: Side): void {
  if (error instanceof Unread) outcome.failed.push({ key, error: error.message, side: from })
  else if (error instanceof Refused) outcome.failed.push({ key, error: error.message, side: otherSide(from) })
  else {
    outcome.busy.push(key)
    if (!(error instanceof Spoiled)) outcome.lost = error.message
  }
}
