/**
 * What became of every key that the copy came by. Each is counted once where it is found and once where it ends, by different parts, so that
 * `waiting` is nothing once the journal is empty, or a key was lost on the way.
 */
export interface LedgerCounts {
  readonly scanned: number
  readonly copied: number
  /** By a rule: not in the range that is copied, a temporary name, or decided by the other side. */
  readonly skipped: number
  /** Found by the scan, and no longer there when it was read. */
  readonly vanished: number
  /** Handed to the error queue. */
  readonly exported: number
  /** Under way, or in the journal. */
  readonly waiting: number
}

export type ScanEnd = 'copied' | 'skipped' | 'vanished' | 'exported'

const ends = ['copied', 'skipped', 'vanished', 'exported'] as const

const none = (): Record<ScanEnd, number> => ({ copied: 0, skipped: 0, vanished: 0, exported: 0 })

/** As a checkpoint has it; one of an earlier version has nothing. */
export function endedBefore(checkpoint: Readonly<Record<string, unknown>>): Record<ScanEnd, number> {
  const ended = (end: ScanEnd): number => Number(checkpoint[end] ?? 0)
  return { copied: ended('copied'), skipped: ended('skipped'), vanished: ended('vanished'), exported: ended('exported') }
}

export class ScanLedger {
  #scanned = 0
  #ended = none()
  /** What ended before a scan began to count: it belongs to one that goes on with an earlier one, and to no other. */
  #early: Record<ScanEnd, number> | null = none()

  /** Anew, or on top of what an earlier run had ended; what that one had under way will be found again. */
  begin(earlier: Readonly<Record<ScanEnd, number>> | null): void {
    const early = this.#early
    this.#early = null
    this.#ended = none()
    if (earlier !== null) for (const end of ends) this.#ended[end] = earlier[end] + (early?.[end] ?? 0)
    this.#scanned = this.#sum()
  }

  found(keys: number): void {
    this.#scanned += keys
  }

  ended(end: ScanEnd, keys: number): void {
    this.#counts[end] += keys
  }

  /** They had ended in the error queue, from where they were tried again. */
  leftQueue(end: ScanEnd, keys: number): void {
    // What was exported before this process began is counted by whoever begins to count.
    if (this.#early === null) this.#ended.exported -= keys
    this.#counts[end] += keys
  }

  counts(): LedgerCounts {
    return { scanned: this.#scanned, ...this.#ended, waiting: this.#scanned - this.#sum() }
  }

  get #counts(): Record<ScanEnd, number> {
    return this.#early ?? this.#ended
  }

  #sum(): number {
    return ends.reduce((sum, end) => sum + this.#ended[end], 0)
  }
}
