/**
 * One run of the job, from its start until it is through, or somebody stops it. Whoever works for it asks here whether to go on: what was
 * begun for a run that was stopped ends by itself, and says nothing of the run after it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { failureClassOf, stopsAll } from '../routing/copy-failure.ts'
import type { MoverState, Progress } from './progress.ts'
import type { SlotRange } from './slot-range.ts'
import type { Standstill } from './standstill.ts'

const reconnectWaitMs = 100
/** Consecutive failures to reach a server before the run ends for it. */
const failuresMax = 300

export class JobRun {
  readonly range: SlotRange
  readonly #progress: Progress
  readonly #standstill: Standstill
  #state: MoverState
  #resumed: (() => void)[] = []
  #failures = 0

  /** `idle` is a run that was stopped, or never begun. */
  constructor(range: SlotRange, progress: Progress, standstill: Standstill, state: 'running' | 'idle') {
    this.range = range
    this.#progress = progress
    this.#standstill = standstill
    this.#state = state
  }

  get state(): MoverState {
    return this.#state
  }

  /** Also once it is through or has failed: what it had under way until then still counts. */
  get isWanted(): boolean {
    return this.#state !== 'idle'
  }

  /** False: there was nothing to pause. */
  pause(): boolean {
    if (this.#state !== 'running') return false
    this.#state = 'paused'
    return true
  }

  resume(): void {
    if (this.#state === 'paused') this.#state = 'running'
    this.#release()
  }

  stop(): void {
    this.#state = 'idle'
    this.#release()
  }

  end(how: 'done' | 'failed'): void {
    this.#state = how
  }

  /** Resolves for a run that was stopped as well. */
  async untilResumed(): Promise<void> {
    while (this.#state === 'paused') await new Promise<void>((resolve) => this.#resumed.push(resolve))
  }

  /** Asks again while a server is away, and for as long as it answers nobody; null once the run was stopped. Throws where it stays away. */
  async patiently<T>(go: () => Promise<T>): Promise<T | null> {
    for (;;) {
      if (!this.isWanted) return null
      try {
        const result = await go()
        this.#failures = 0
        this.#progress.wentWell(go)
        this.#standstill.answered()
        return result
      } catch (error) {
        const { message } = error as Error
        this.#progress.wentWrong(go, message)
        this.#standstill.unanswered(message, performance.now())
        // Where nothing is answered for the moment, it will be; one that is gone may not come back.
        if (!stopsAll(failureClassOf(message)) && ++this.#failures > failuresMax) throw error
        await delay(reconnectWaitMs)
      }
    }
  }

  #release(): void {
    for (const go of this.#resumed.splice(0)) go()
  }
}
