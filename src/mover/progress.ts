/** What the mover has done, sampled for status, metrics and the progress bar alike. */

import type { LedgerCounts } from '../dispatch/scan-ledger.ts'
import type { ThrottleLimits } from '../throttle-limits.ts'

export interface MoverLimits extends ThrottleLimits {
  keysPerSecondMax: number
  bytesPerSecondMax: number
  batchKeys: number
  batchBytes: number
  batchesInFlight: number
}

export type MoverState = 'idle' | 'running' | 'paused' | 'done' | 'failed'

export interface ProgressSnapshot {
  readonly state: MoverState
  readonly pass: 'copy' | 'sweep' | null
  readonly keysTotal: number
  readonly keysScanned: number
  readonly keysCopied: number
  readonly keysDeleted: number
  readonly keysRetried: number
  readonly keysFailed: number
  readonly bytesCopied: number
  readonly keysPerSecond: number
  readonly bytesPerSecond: number
  readonly etaSeconds: number | null
  readonly startedAt: string | null
  readonly throttle: string | null
  /** What the throttle allows of full speed; 0 = it rests. */
  readonly speedPercent: number
  readonly lastError: string | null
  /** Of the pass that copies: what became of every key that it came by. */
  readonly account: LedgerCounts
  readonly limits: MoverLimits
}

/** A rate over about the last five seconds. */
export class Rate {
  #samples: { atMs: number; total: number }[] = []

  add(atMs: number, total: number): void {
    this.#samples.push({ atMs, total })
    while (this.#samples.length > 2 && atMs - (this.#samples[0] as { atMs: number }).atMs > 5_000) this.#samples.shift()
  }

  perSecond(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0
    return ((last.total - first.total) / (last.atMs - first.atMs)) * 1000
  }
}
