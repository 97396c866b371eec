/** How fast the mover may go: a bucket of keys, or of bytes, that fills at the set rate. The rate may change at any moment. */
export class Pace {
  #perSecond: number
  #allowance = 0
  #lastMs: number

  /** `perSecond` 0 = unlimited. */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#lastMs = nowMs
  }

  set(perSecond: number): void {
    if (perSecond === this.#perSecond) return
    this.#perSecond = perSecond
    this.#allowance = Math.max(0, Math.min(this.#allowance, perSecond / 10))
  }

  /** Counts what was copied where it is known afterwards only: the next one waits for it. */
  spend(amount: number): void {
    if (this.#perSecond > 0) this.#allowance -= amount
  }

  /** How long to wait before `amount` more may be copied, ms; 0 = now, and it is counted as copied. */
  waitMs(amount: number, nowMs: number): number {
    const rate = this.#perSecond
    if (rate === 0) {
      this.#lastMs = nowMs
      return 0
    }
    // A tenth of a second may be saved up: enough to be smooth, too little for a burst.
    this.#allowance = Math.min(rate / 10, this.#allowance + ((nowMs - this.#lastMs) / 1000) * rate)
    this.#lastMs = nowMs
    if (this.#allowance <= 0) return Math.max(1, (-this.#allowance / rate) * 1000)
    this.#allowance -= amount
    return 0
  }
}
