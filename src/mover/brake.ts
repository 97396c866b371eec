/** Holds the mover back for live traffic: decides at its own pace while a copy runs, and tells the job how it may copy. */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import type { MoverLimits } from './progress.ts'
import { SignalReader } from './signal-reader.ts'
import {
  type Decision,
  decide,
  decisionEveryMs,
  firstDecision,
  fullSpeed,
  type Shape,
  shapeOf,
  throttleText,
} from './throttle.ts'
import { noSignals, type Signals } from './throttle-signals.ts'

/** Of the job: whether a copy is under way, and how much of it at this moment. */
interface Braked {
  readonly limits: MoverLimits
  readonly copying: boolean
  readonly batchesUnderWay: number
  /** Until somebody resumes it. False: it is not running. */
  pause(): boolean
}

/** A batch or a window of a slow server must not make for a rest of minutes. */
export const restMsMax = 1_000

export class Brake {
  readonly #core: Core
  readonly #job: Braked
  readonly #reader: SignalReader
  #timer: NodeJS.Timeout | null = null
  #decision: Decision = fullSpeed
  #signals: Signals = noSignals
  #wasBusy = true
  readonly #users = new Set<object>()
  #restUntilMs = 0
  #critical: string | null = null

  constructor(core: Core, lanes: Lanes, job: Braked) {
    this.#core = core
    this.#job = job
    this.#reader = new SignalReader(core, lanes)
  }

  /** From now on it learns what live traffic feels while nothing is copied. */
  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), decisionEveryMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#reader.end()
  }

  /** A copy begins: the job's, or long values beside it. */
  begin(user: object): void {
    const goesOn = this.#users.size > 0 && !this.#users.has(user)
    this.#users.add(user)
    if (goesOn) return
    this.#decision = firstDecision(this.#signals)
    this.#critical = null
    this.#restUntilMs = 0
    this.#reader.begin()
  }

  /** It is over, however. */
  end(user: object): void {
    this.#users.delete(user)
    if (this.#users.size > 0) return
    this.#reader.end()
    this.#decision = fullSpeed
    this.#critical = null
  }

  /** Somebody says that a critical state is none. */
  release(): void {
    this.#critical = null
    this.#decision = { ...this.#decision, hot: 0, critical: null }
  }

  /** How the next batch is to be. */
  get shape(): Shape {
    return shapeOf(this.#decision.factor || 1, this.#job.limits)
  }

  /** How long the next batch has to wait for now, ms; it is worth asking again then. */
  waitMs(nowMs: number): number {
    if (this.#decision.factor === 0) return decisionEveryMs / 5
    return Math.max(0, this.#restUntilMs - nowMs)
  }

  /** A batch is through. */
  copied(tookMs: number, nowMs: number): void {
    this.worked()
    const restMs = Math.min(restMsMax, tookMs * this.shape.restTimes)
    this.#restUntilMs = Math.max(this.#restUntilMs, nowMs + restMs)
  }

  /** Something was copied. */
  worked(): void {
    this.#wasBusy = true
  }

  get speedPercent(): number {
    return this.#decision.factor * 100
  }

  /** Why the mover is slower than it could be, or does not go on. */
  get text(): string | null {
    if (this.#critical !== null) return `paused until it is resumed: ${this.#critical}`
    return throttleText(this.#decision)
  }

  #tick(): void {
    const { copying, batchesUnderWay, limits } = this.#job
    const rested = !this.#wasBusy && batchesUnderWay === 0
    this.#wasBusy = batchesUnderWay > 0
    this.#signals = this.#reader.read(performance.now(), rested, copying)
    if (!copying) return
    this.#decision = decide(this.#signals, limits, this.#decision)
    const { critical } = this.#decision
    if (critical === null || this.#critical !== null) return
    if (!this.#job.pause()) return
    this.#critical = critical
    this.#core.events.record('mover', 'the mover was paused: a critical load', { reason: critical })
  }
}
