/** Whether another batch may begin: no server stands still, live traffic leaves room, and the rates that were set are kept. */
import type { Brake } from './brake.ts'
import { Pace } from './pace.ts'
import type { MoverLimits } from './progress.ts'
import type { Standstill } from './standstill.ts'

/** How often it is looked whether a standstill is over. */
const standstillPollMs = 20

export class Allowance {
  readonly #limits: MoverLimits
  readonly #brake: Brake
  readonly #standstill: Standstill
  readonly #keys: Pace
  readonly #bytes: Pace
  #limited: string | null = null

  /** `limits` are the job's own, and may change; `limitsChanged` has to be called then. */
  constructor(limits: MoverLimits, brake: Brake, standstill: Standstill) {
    this.#limits = limits
    this.#brake = brake
    this.#standstill = standstill
    this.#keys = new Pace(limits.keysPerSecondMax, performance.now())
    this.#bytes = new Pace(limits.bytesPerSecondMax, performance.now())
  }

  limitsChanged(): void {
    this.#keys.set(this.#limits.keysPerSecondMax)
    this.#bytes.set(this.#limits.bytesPerSecondMax)
  }

  /** What was copied is known afterwards: the next batch waits for it. */
  spend(bytes: number): void {
    this.#bytes.spend(bytes)
  }

  /** How long to wait before so many keys may be copied, ms; 0 = now, and they are counted as copied. So the rate of keys comes last. */
  waitMs(keys: number, nowMs: number): number {
    this.#limited = null
    if (this.#standstill.reason !== null) return standstillPollMs
    const restMs = this.#brake.waitMs(nowMs)
    if (restMs > 0) return restMs
    const bytesMs = this.#bytesMs(nowMs)
    if (bytesMs > 0) return bytesMs
    const keysMs = this.#keys.waitMs(keys, nowMs)
    if (keysMs > 0) this.#limited = `limited to ${this.#limits.keysPerSecondMax} keys/s`
    return keysMs
  }

  /** As `waitMs`, for the next window of a long value: it may be just the one that a standstill is tried with. */
  windowWaitMs(nowMs: number): number {
    return this.#brake.waitMs(nowMs) || this.#bytesMs(nowMs)
  }

  #bytesMs(nowMs: number): number {
    const bytesMs = this.#bytes.waitMs(0, nowMs)
    if (bytesMs > 0) this.#limited = `limited to ${this.#limits.bytesPerSecondMax} bytes/s`
    return bytesMs
  }

  /** All that holds the copy back, for status; null = nothing does. */
  get text(): string | null {
    const reasons = [this.#standstill.reason, this.#brake.text, this.#limited].filter((text) => text !== null)
    return reasons.length === 0 ? null : reasons.join('; ')
  }
}
