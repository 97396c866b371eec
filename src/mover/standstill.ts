/**
 * While a server takes nothing at all (out of memory, read-only, loading), trying more keys would only fill the journal and the error queue.
 * So the whole mover waits, and one key, the one that was refused, is tried again from time to time: when it fares otherwise, all go on.
 */
import type { EventLog } from '../observe/events.ts'
import { type FailureClass, failurePolicies } from '../routing/copy-failure.ts'
import type { Side } from '../routing/modes.ts'

export interface Refusal {
  readonly failure: FailureClass
  readonly side: Side
  readonly error: string
  readonly db: number
  readonly key: Buffer
}

/** What does not go on, whatever is tried. */
interface Lasting {
  /** Null: whoever asked did not say. */
  readonly side: Side | null
  readonly error: string
  /** Monotonic clock. */
  readonly sinceMs: number
}

/** One that comes back within this time waits for longer than it did in the end, and is not told again. */
const relapseMs = 2_000

export class Standstill {
  readonly #events: EventLog
  #refusal: Refusal | null = null
  #isTold = true
  #waitMs = 0
  #trialMs = 0
  #sinceMs = 0
  #endedMs = Number.NEGATIVE_INFINITY
  /** A key was copied since `sinceMs`. */
  #hasTaken = true
  #question: { readonly error: string; readonly sinceMs: number } | null = null

  constructor(events: EventLog) {
    this.#events = events
  }

  /** For status; null = the mover does not wait. */
  get reason(): string | null {
    if (this.#refusal === null) return null
    const { failure, side, error } = this.#refusal
    return `waiting: ${side}: ${failurePolicies[failure].meaning} (${error})`
  }

  /** Also where only a question is refused, that all else waits for. It begins anew once a key was copied, or the question is answered. */
  get lasting(): Lasting | null {
    if (this.#refusal !== null) return { side: this.#refusal.side, error: this.#refusal.error, sinceMs: this.#sinceMs }
    if (this.#question === null) return null
    const { error, sinceMs } = this.#question
    const [, side] = /^(source|target): /.exec(error) ?? []
    return { side: (side as Side | undefined) ?? null, error: error.replace(/^(source|target): /, ''), sinceMs }
  }

  /** A question of the scan came to nothing, and is asked again. */
  unanswered(error: string, nowMs: number): void {
    this.#question = { error, sinceMs: this.#question?.sinceMs ?? nowMs }
  }

  answered(): void {
    this.#question = null
  }

  /** A key was copied. That others were given up or deleted does not mean that any is taken. */
  took(): void {
    this.#hasTaken = true
  }

  /** The key to try with. */
  get refused(): { readonly db: number; readonly key: Buffer } | null {
    return this.#refusal
  }

  begin(refusal: Refusal, nowMs: number): void {
    if (this.#refusal !== null) return
    const { failure, side, error } = refusal
    this.#refusal = { ...refusal, key: Buffer.from(refusal.key) }
    this.#isTold = nowMs - this.#endedMs > relapseMs
    if (this.#isTold || this.#hasTaken) this.#sinceMs = nowMs
    this.#hasTaken = false
    if (!this.#isTold) this.#waitMs = Math.min(failurePolicies[failure].mostWaitMs, this.#waitMs * 2)
    else {
      this.#waitMs = failurePolicies[failure].firstWaitMs
      this.#events.record('mover', `the mover waits: ${side}: ${failurePolicies[failure].meaning}`, {
        reason: error,
        data: { side, class: failure, advice: failurePolicies[failure].advice },
      })
    }
    this.#trialMs = nowMs + this.#waitMs
  }

  isTrialDue(nowMs: number): boolean {
    return this.#refusal !== null && nowMs >= this.#trialMs
  }

  /** The trial was refused as well. */
  goOn(refusal: Refusal, nowMs: number): void {
    this.#refusal = { ...refusal, key: Buffer.from(refusal.key) }
    this.#waitMs = Math.min(failurePolicies[refusal.failure].mostWaitMs, this.#waitMs * 2)
    this.#trialMs = nowMs + this.#waitMs
  }

  end(nowMs: number): void {
    if (this.#refusal === null) return
    if (this.#isTold) this.#events.record('mover', 'the mover goes on', { data: { waitedMs: Math.round(nowMs - this.#sinceMs) } })
    this.#refusal = null
    this.#endedMs = nowMs
  }
}
