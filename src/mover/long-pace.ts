/**
 * How fast the long values of a copy go: as its batches do, by the rates that were set and by what live traffic leaves. It is the healing that
 * brings them over, so they are under way when the job is through as well; while it is paused they rest. One that is healed because it differs
 * waits for nothing of that, nor does any once the job was stopped: a flip stops it, and waits for what it left.
 */
import type { WindowPace } from '../dispatch/typed/windows.ts'
import type { Counters } from '../observe/counters.ts'
import type { Allowance } from './allowance.ts'
import { type Brake, restMsMax } from './brake.ts'
import type { MoverState, Progress } from './progress.ts'
import { decisionEveryMs } from './throttle.ts'

export class LongPace implements WindowPace {
  /** Long values that are being copied. */
  underWay = 0
  readonly #allowance: Allowance
  readonly #brake: Brake
  readonly #progress: Progress
  readonly #counters: Counters
  readonly #stateOfJob: () => MoverState
  #restUntilMs = 0

  constructor(allowance: Allowance, brake: Brake, progress: Progress, counters: Counters, stateOfJob: () => MoverState) {
    this.#allowance = allowance
    this.#brake = brake
    this.#progress = progress
    this.#counters = counters
    this.#stateOfJob = stateOfJob
  }

  begin(): void {
    this.underWay++
    this.#brake.begin(this)
  }

  end(): void {
    if (--this.underWay === 0) this.#brake.end(this)
  }

  spend(bytes: number, tookMs: number, nowMs: number): void {
    this.#progress.bytesCopied += bytes
    this.#counters.mover.bytesCopied += bytes
    this.#allowance.spend(bytes)
    this.#brake.worked()
    const share = this.#brake.speedPercent / 100
    if (share > 0) this.#restUntilMs = Math.max(this.#restUntilMs, nowMs + Math.min(restMsMax, tookMs * (1 / share - 1)))
  }

  waitMs(nowMs: number): number {
    const state = this.#stateOfJob()
    if (state === 'idle') return 0
    if (state === 'paused') return decisionEveryMs
    return this.#allowance.windowWaitMs(nowMs) || Math.max(0, this.#restUntilMs - nowMs)
  }
}
