/**
 * How long a copy that nobody attends to waits for a server: one that takes no key, does not answer what the scan asks, or is away. Each of these
 * may go on for ever, and whoever started the copy may be a timer.
 */
import type { Lanes } from '../dispatch/lanes.ts'
import { errorCatalogue, FerryError } from '../errors.ts'
import { failureClassOf, failurePolicies, stopsAll } from '../routing/copy-failure.ts'
import { type Side, sides } from '../routing/modes.ts'
import type { Standstill } from './standstill.ts'

/** For people, at some moment. */
export interface StandstillView {
  /** Which server, what is the matter with it, and what it said. */
  readonly reason: string
  readonly advice: string
  readonly seconds: number
}

const lookMs = 100

export class StandstillLimit {
  readonly #lanes: Lanes
  readonly #standstill: Standstill
  readonly #limitMs: number
  readonly #reached: (error: FerryError) => void
  /** Since when a side is away; monotonic clock. */
  readonly #awaySinceMs: Record<Side, number | null> = { source: null, target: null }
  #timer: NodeJS.Timeout | null = null

  /** `limitMs` 0 = no limit. `reached` is called once. */
  constructor(lanes: Lanes, standstill: Standstill, limitMs: number, reached: (error: FerryError) => void) {
    this.#lanes = lanes
    this.#standstill = standstill
    this.#limitMs = limitMs
    this.#reached = reached
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(performance.now()), lookMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Null: it goes on, as far as is known. */
  view(nowMs: number): StandstillView | null {
    for (const side of sides) {
      const sinceMs = this.#awaySinceMs[side]
      if (sinceMs !== null) return this.#viewOf(side, this.#lanes.lane(side).lastError ?? 'not connected', sinceMs, nowMs)
    }
    const lasting = this.#standstill.lasting
    return lasting === null ? null : this.#viewOf(lasting.side, lasting.error, lasting.sinceMs, nowMs)
  }

  #viewOf(side: Side | null, error: string, sinceMs: number, nowMs: number): StandstillView {
    const failure = failureClassOf(error)
    const { meaning, advice } = failurePolicies[failure]
    const who = side === null ? '' : `${side} ${this.#lanes.lane(side).endpoint.redacted}: `
    const isAway = side !== null && this.#awaySinceMs[side] !== null
    const what = stopsAll(failure) ? `${meaning} (${error})` : isAway ? `it cannot be reached (${error})` : error
    return {
      reason: who + what,
      advice: stopsAll(failure) ? advice : errorCatalogue['endpoint-unreachable'].advice,
      seconds: Math.floor((nowMs - sinceMs) / 1000),
    }
  }

  #look(nowMs: number): void {
    for (const side of sides) {
      const lane = this.#lanes.lane(side)
      this.#awaySinceMs[side] = lane.up && lane.admitted ? null : (this.#awaySinceMs[side] ?? nowMs)
    }
    const view = this.view(nowMs)
    if (view === null || this.#limitMs === 0 || view.seconds * 1000 < this.#limitMs) return
    this.stop()
    this.#reached(
      new FerryError('interrupted', `the copy was at a standstill for ${view.seconds} s: ${view.reason}`, {
        details: [view.advice],
      }),
    )
  }
}
