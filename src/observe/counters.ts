/**
 * What the data path bumps: plain numbers and typed arrays, nothing else. Nobody is told of a change; the Prometheus scrape and the
 * Datadog tick read them when they want to. All counts begin at zero with the process and only grow, but for the gauges named so.
 */
import type { ErrorCode } from '../errors.ts'
import type { Side } from '../routing/modes.ts'

/** One per side. `lost` = sent, but the connection ended before the answer. */
interface SideCounters {
  commands: number
  /** Reads whose reply the client got from this side: the traffic split as it is, not as it is wished. */
  readsServed: number
  ok: number
  error: number
  lost: number
  bytesIn: number
  bytesOut: number
  connects: number
}

const sideCounters = (): SideCounters => ({
  commands: 0,
  readsServed: 0,
  ok: 0,
  error: 0,
  lost: 0,
  bytesIn: 0,
  bytesOut: 0,
  connects: 0,
})

export class Counters {
  /** Client commands by command spec id. Float64, since a 32-bit count wraps within a day of traffic. */
  readonly commands: Float64Array
  readonly sides: Readonly<Record<Side, SideCounters>> = { source: sideCounters(), target: sideCounters() }
  readonly clients = { open: 0, accepted: 0, refused: 0, bytesIn: 0, bytesOut: 0 }
  readonly journal = { marks: 0, heals: 0, healFailures: 0 }
  /** Keys that were announced while a script was under way that does not declare them. */
  readonly scripts = { undeclaredKeys: 0 }
  /** `waitMaxMs` is the longest wait since the process began. */
  readonly holds = { taken: 0, givenUp: 0, waits: 0, waitSumMs: 0, waitMaxMs: 0 }
  readonly mover = { keysScanned: 0, keysCopied: 0, keysDeleted: 0, keysRetried: 0, keysFailed: 0, bytesCopied: 0 }
  readonly #clientErrors = new Map<ErrorCode, number>()
  readonly #divergences = new Map<string, number>()

  /** `specCount`: one more than the highest command spec id. */
  constructor(specCount: number) {
    this.commands = new Float64Array(specCount)
  }

  /** One of Ferry's own error replies to a client. */
  clientError(code: ErrorCode): void {
    this.#clientErrors.set(code, (this.#clientErrors.get(code) ?? 0) + 1)
  }

  divergence(family: string): void {
    this.#divergences.set(family, (this.#divergences.get(family) ?? 0) + 1)
  }

  /** A write that a hold kept waiting. */
  holdWait(waitMs: number): void {
    this.holds.waits += 1
    this.holds.waitSumMs += waitMs
    if (waitMs > this.holds.waitMaxMs) this.holds.waitMaxMs = waitMs
  }

  get clientErrors(): ReadonlyMap<ErrorCode, number> {
    return this.#clientErrors
  }

  get divergences(): ReadonlyMap<string, number> {
    return this.#divergences
  }

  get commandsTotal(): number {
    return this.commands.reduce((sum, count) => sum + count, 0)
  }

  get clientErrorsTotal(): number {
    return sum(this.#clientErrors)
  }

  get divergencesTotal(): number {
    return sum(this.#divergences)
  }
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  let total = 0
  for (const count of counts.values()) total += count
  return total
}
