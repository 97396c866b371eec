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
  /** What went wrong last and still matters; null once the same work has succeeded. */
  readonly lastError: string | null
  /** Of the pass that copies: what became of every key that it came by. */
  readonly account: LedgerCounts
  readonly limits: MoverLimits
}

/** The numbers of one copy. A batch that a stopped run has still under way is counted in whatever was begun since: its keys are copied. */
export class Progress {
  keysTotal = 0
  keysScanned = 0
  keysCopied = 0
  keysDeleted = 0
  keysRetried = 0
  keysFailed = 0
  bytesCopied = 0
  #trouble: { readonly work: object; readonly message: string } | null = null
  #failure: string | null = null
  #startedAt: string | null = null
  #keys = new Rate()
  #bytes = new Rate()

  get lastError(): string | null {
    return this.#failure ?? this.#trouble?.message ?? null
  }

  /** It is tried again; until `wentWell` of the same work, by identity, this is what is the matter. */
  wentWrong(work: object, message: string): void {
    this.#trouble = { work, message }
  }

  wentWell(work: object): void {
    if (this.#trouble?.work === work) this.#trouble = null
  }

  /** The copy has ended for this; nothing that was still under way takes it back. */
  failed(message: string): void {
    this.#failure = message
  }

  /** A copy begins, or goes on after so many keys. */
  begin(keysScanned: number): void {
    this.keysScanned = keysScanned
    this.keysCopied = 0
    this.keysDeleted = 0
    this.keysRetried = 0
    this.keysFailed = 0
    this.bytesCopied = 0
    this.#trouble = null
    this.#failure = null
    this.#startedAt = new Date().toISOString()
    this.#keys = new Rate()
    this.#bytes = new Rate()
  }

  beginPass(keysTotal: number, keysScanned: number): void {
    this.keysTotal = keysTotal
    this.keysScanned = keysScanned
    this.#keys = new Rate()
  }

  /** The numbers for a snapshot. Rates are those between the calls of this; while nothing is copied there are none. */
  sample(isRunning: boolean, nowMs: number) {
    if (isRunning) {
      this.#keys.add(nowMs, this.keysScanned)
      this.#bytes.add(nowMs, this.bytesCopied)
    }
    const keysPerSecond = isRunning ? this.#keys.perSecond() : 0
    const left = Math.max(0, this.keysTotal - this.keysScanned)
    return {
      keysTotal: this.keysTotal,
      keysScanned: this.keysScanned,
      keysCopied: this.keysCopied,
      keysDeleted: this.keysDeleted,
      keysRetried: this.keysRetried,
      keysFailed: this.keysFailed,
      bytesCopied: this.bytesCopied,
      keysPerSecond,
      bytesPerSecond: isRunning ? this.#bytes.perSecond() : 0,
      etaSeconds: keysPerSecond > 0 ? left / keysPerSecond : null,
      startedAt: this.#startedAt,
    }
  }
}

/** A rate over about the last five seconds. */
class Rate {
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
