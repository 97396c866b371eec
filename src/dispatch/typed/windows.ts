/**
 * The windows in which one long value is brought over. Between two of them it waits for whatever holds the mover back; what was sent ahead of
 * it is kept meanwhile. Not once clients wait for the key.
 */
import { setTimeout as delay } from 'node:timers/promises'

/** The rates of the mover, and what live traffic leaves of them. */
export interface WindowPace {
  /** A window is through. */
  spend(bytes: number, tookMs: number, nowMs: number): void
  /** How long the next one has to wait for now, ms; 0 = it may begin. It is worth asking again then. */
  waitMs(nowMs: number): number
}

/** What is sent ahead, as far as a rest is concerned. */
interface Kept {
  readonly failed: boolean
  keep(): Promise<void>
}

/** As much of a passage as a rest has to know. */
interface Rested {
  readonly windows: Windows | null
  readonly stopped: () => boolean
}

/** How long at most until it is looked again. */
const pollMsMax = 200
/** A small part of `temporaryKeyMs`. */
const keepEveryMs = 10_000

export class Windows {
  /** Counted so far. */
  bytes = 0
  readonly #pace: WindowPace
  #isUrgent = false
  #sinceMs = performance.now()

  constructor(pace: WindowPace) {
    this.#pace = pace
  }

  /** From now on somebody waits for the key, which is held. */
  hurry(): void {
    this.#isUrgent = true
    this.#sinceMs = performance.now()
  }

  /** The value is over there, and has so many bytes: those that were not counted yet are. */
  end(sizeBytes: number): void {
    const nowMs = performance.now()
    if (sizeBytes <= this.bytes) return
    this.#pace.spend(sizeBytes - this.bytes, nowMs - this.#sinceMs, nowMs)
    this.bytes = sizeBytes
  }

  async rest(bytes: number, staged: Kept | null, stopped: () => boolean): Promise<void> {
    if (this.#isUrgent) return
    let nowMs = performance.now()
    this.bytes += bytes
    this.#pace.spend(bytes, nowMs - this.#sinceMs, nowMs)
    let keptMs = nowMs
    while (!stopped() && staged?.failed !== true) {
      const waitMs = this.#pace.waitMs(nowMs)
      if (waitMs === 0) break
      await delay(Math.min(waitMs, pollMsMax))
      nowMs = performance.now()
      if (staged === null || nowMs - keptMs < keepEveryMs) continue
      keptMs = nowMs
      await staged.keep()
    }
    this.#sinceMs = performance.now()
  }
}

/** After each window of a long value. `staged` null: there is nothing that ends by itself. */
export async function rest({ windows, stopped }: Rested, bytes: number, staged: Kept | null): Promise<void> {
  await windows?.rest(bytes, staged, stopped)
}
