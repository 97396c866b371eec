/** How fast the mover may go: a bucket of keys that fills at the set rate. The rate may change at any moment. */
export class Pace {
  #keysPerSecond: number
  #allowance = 0
  #lastMs: number

  /** `keysPerSecond` 0 = unlimited. */
  constructor(keysPerSecond: number, nowMs: number) {
    this.#keysPerSecond = keysPerSecond
    this.#lastMs = nowMs
  }

  set(keysPerSecond: number): void {
    this.#keysPerSecond = keysPerSecond
    this.#allowance = Math.min(this.#allowance, keysPerSecond / 10)
  }

  /** How long to wait before `keys` more may be copied, ms; 0 = now, and they are counted as copied. */
  waitMs(keys: number, nowMs: number): number {
    const rate = this.#keysPerSecond
    if (rate === 0) {
      this.#lastMs = nowMs
      return 0
    }
    // A tenth of a second may be saved up: enough to be smooth, too little for a burst.
    this.#allowance = Math.min(rate / 10, this.#allowance + ((nowMs - this.#lastMs) / 1000) * rate)
    this.#lastMs = nowMs
    if (this.#allowance <= 0) return Math.max(1, (-this.#allowance / rate) * 1000)
    this.#allowance -= keys
    return 0
  }
}
