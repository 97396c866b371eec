/**
 * Changes which side has the truth. Writes wait at a gate while the lanes run dry and the last dirty keys are healed, so at the moment of
 * the change both sides are equal; then the same clients go on with the other side first. Nobody gets an error for it.
 */
import type { Core } from '../dispatch/core.ts'
import type { DirtyEntry } from '../dispatch/journal.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import type { Copier } from '../mover/copier.ts'
import type { FunctionCopy } from '../mover/functions.ts'
import { otherSide, type Side, sides } from '../routing/modes.ts'
import { flipDirtyKeysMax } from './blockers.ts'

export interface FlipResult {
  readonly done: boolean
  /** How long writes waited, ms. */
  readonly waitedMs: number
  /** Why not, where it is not done. */
  readonly reason: string
}

/** How long a flip waits for the journal to become small, before it closes the gate. */
const settleMs = 10_000
/** How long writes may wait at the gate before the flip is given up and tried again. */
const gateMs = 250
const attemptsMax = 20
const pauseMs = 20
const lostPauseMs = 5

export class Flip {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #copier: Copier
  readonly #functions: FunctionCopy

  constructor(core: Core, lanes: Lanes, copier: Copier, functions: FunctionCopy) {
    this.#core = core
    this.#lanes = lanes
    this.#copier = copier
    this.#functions = functions
  }

  /**
   * `change` makes the flip, at the one moment when nothing is under way and both sides are equal. `force`: also where the function
   * libraries cannot be made equal, which is no reason against the way back.
   */
  async run(change: () => void, force = false): Promise<FlipResult> {
    try {
      return await this.#run(change, force)
    } finally {
      for (const listener of this.#core.flipListeners) listener.over?.()
    }
  }

  async #run(change: () => void, force: boolean): Promise<FlipResult> {
    const { journal } = this.#core
    let reason = ''
    await Promise.all(this.#core.flipListeners.map((listener) => listener.prepare(otherSide(this.#core.traffic.authority))))
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      await this.#until(() => journal.size <= flipDirtyKeysMax || this.#away() !== null, settleMs)
      if (journal.size > flipDirtyKeysMax)
        return { done: false, waitedMs: 0, reason: `${journal.size} keys are waiting to be healed` }
      const startedMs = performance.now()
      reason = await this.#behindGate(change, force)
      if (reason === '') return { done: true, waitedMs: performance.now() - startedMs, reason }
      const away = this.#away()
      if (away !== null) return { done: false, waitedMs: 0, reason: `${away} is not reachable, and ${reason}` }
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (attempt + 1)))
    }
    return { done: false, waitedMs: 0, reason }
  }

  /** A side that cannot be reached: nothing can be healed, and waiting for it would only keep the clients waiting. */
  #away(): Side | null {
    return sides.find((side) => !this.#lanes.lane(side).up) ?? null
  }

  async #behindGate(change: () => void, force: boolean): Promise<string> {
    const { board, journal, libraries } = this.#core
    const deadlineMs = performance.now() + gateMs
    let quiet = false
    board.closeGate(() => {
      quiet = true
    })
    try {
      await this.#until(() => quiet, gateMs)
      if (!quiet) return 'a copy did not end in time'
      while (performance.now() < deadlineMs) {
        if (!(await this.#dry(deadlineMs))) return 'commands were not answered in time'
        if (journal.size === 0 && board.openTickets === 0) {
          if (libraries.problem !== null) {
            if (!(await this.#inTime(this.#functions.copy(), deadlineMs))) return 'functions could not be copied in time'
            if (libraries.problem !== null && !force) return `functions may not be the same on both sides: ${libraries.problem}`
          }
          if (!(await this.#fenced(deadlineMs))) return 'what the servers had sent did not arrive in time'
          // An expiry may have been told meanwhile.
          if (journal.size > 0 || board.openTickets > 0) continue
          change()
          return ''
        }
        await this.#heal()
      }
      return `${journal.size} keys could not be healed in time`
    } finally {
      for (const listener of this.#core.flipListeners) listener.unfence?.()
      board.openGate()
    }
  }

  async #fenced(deadlineMs: number): Promise<boolean> {
    const fences = this.#core.flipListeners.map((listener) => listener.fence?.())
    return this.#inTime(Promise.all(fences), deadlineMs)
  }

  async #dry(deadlineMs: number): Promise<boolean> {
    const answered = sides.map((side) => new Promise<boolean>((resolve) => this.#lanes.whenAnswered(side, () => resolve(true))))
    return this.#inTime(Promise.all(answered), deadlineMs)
  }

  #inTime(done: Promise<unknown>, deadlineMs: number): Promise<boolean> {
    const late = new Promise<boolean>((resolve) =>
      setTimeout(() => resolve(false), Math.max(1, deadlineMs - performance.now())).unref(),
    )
    return Promise.race([done.then(() => true), late])
  }

  /** What the journal still holds, copied here and now: the healing itself waits at the gate like everybody else. */
  async #heal(): Promise<void> {
    const { journal } = this.#core
    const entries = journal.take(flipDirtyKeysMax, Number.POSITIVE_INFINITY)
    const first = entries[0]
    if (first === undefined) return this.#until(() => false, 2)
    const before = entries.map((entry) => entry.generation)
    const outcome = await this.#copier.copy(
      first.db,
      entries.map((entry) => entry.key),
      first.from,
      true,
      entries.some((entry) => entry.distrusted),
    )
    // A side that is away refuses at once: without a pause its connection would never get the time to come back.
    if (outcome.lost !== null) await this.#until(() => false, lostPauseMs)
    // A long value would keep everybody waiting for seconds: the healing copies it, and the next flip finds it done.
    const again = new Set([...outcome.busy, ...outcome.unknown, ...outcome.long, ...outcome.failed.map(({ key }) => key)])
    const absent = new Set(outcome.absent)
    const healed = { copied: [] as DirtyEntry[], vanished: [] as DirtyEntry[] }
    entries.forEach((entry: DirtyEntry, i) => {
      const end = absent.has(entry.key) ? 'vanished' : 'copied'
      if (again.has(entry.key)) journal.giveBack(entry)
      else if (journal.healed(entry, outcome.generations.get(entry.key) ?? (before[i] as number), end)) healed[end].push(entry)
    })
    journal.settle(healed.copied, 'copied')
    journal.settle(healed.vanished, 'vanished')
  }

  async #until(condition: () => boolean, limitMs: number): Promise<void> {
    const deadlineMs = performance.now() + limitMs
    while (!condition() && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
