/** Verifications of a running Ferry: one at a time, the last ones kept for whoever asks. Repair goes through the journal, like everything. */
import { setTimeout as delay } from 'node:timers/promises'
import type { VerifyReport, VerifyRequest } from '../control/schemas.ts'
import { FerryError } from '../errors.ts'
import { Verification } from '../mover/verify.ts'
import { type VerificationReport, verifyDocument } from '../mover/verify-report.ts'
import { connectClient } from '../upstream/client-factory.ts'
import type { Parts } from './parts.ts'

const kept = 20
const settleMs = 300
const roundsDefault = 3
const repairWaitMs = 30_000

export class Verifications {
  readonly #parts: Parts
  readonly #reports = new Map<string, () => VerificationReport>()
  #running: { readonly abort: AbortController; id: string | null; ended: Promise<void> } | null = null

  constructor(parts: Parts) {
    this.#parts = parts
  }

  report(id: string): VerifyReport | null {
    const report = this.#reports.get(id)?.()
    return report === undefined ? null : verifyDocument(report)
  }

  /** What it compared so far is kept for a resume. */
  async stop(): Promise<void> {
    this.#running?.abort.abort()
    await this.#running?.ended
  }

  async stopOne(id: string): Promise<VerifyReport | null> {
    if (this.#running?.id === id) await this.stop()
    return this.report(id)
  }

  async start(request: VerifyRequest): Promise<VerifyReport> {
    if (this.#running !== null) throw new FerryError('blocked', 'a verification is running already')
    const abort = new AbortController()
    const running = { abort, id: null as string | null, ended: Promise.resolve() }
    this.#running = running
    const { lanes, config, store } = this.#parts
    try {
      const source = await connectClient(lanes.endpoints.source, 'verify')
      const target = await connectClient(lanes.endpoints.target, 'verify')
      const verification = new Verification({
        source,
        target,
        options: {
          ttlToleranceMs: request.ttlToleranceMs ?? config.ttlToleranceMs,
          rounds: request.rounds ?? roundsDefault,
          settleMs: request.settleMs ?? settleMs,
          samplePercent: request.samplePercent,
          sampleKeys: request.sampleKeys,
          keysPerSecondMax: request.keysPerSecondMax,
          notes: store,
          resume: request.resume,
          signal: abort.signal,
          databases: lanes.databases,
          ...(request.repair && { repair: (keys) => this.#repair(keys) }),
        },
      })
      running.ended = verification
        .run()
        .then((report) => this.#done(report))
        .catch((error: Error) => {
          this.#parts.core.events.record('verify', 'the verification failed', { reason: error.message })
        })
        .finally(() => {
          this.#running = null
          source.disconnect()
          target.disconnect()
        })
      const report = verification.report()
      running.id = report.id
      this.#reports.set(report.id, () => verification.report())
      for (const id of this.#reports.keys()) if (this.#reports.size > kept) this.#reports.delete(id)
      return verifyDocument(report)
    } catch (error) {
      this.#running = null
      throw error
    }
  }

  #done(report: VerificationReport): void {
    const found = report.differences + report.missing + report.extra + report.ttlDifferences
    const { keysCompared, differences, missing, extra, ttlDifferences, repaired } = report
    const { scope, startedAt } = report
    if (scope === 'full') this.#parts.migration.memory.verified(Math.max(0, found - repaired), startedAt)
    const whole = found === 0 ? 'the two sides are equal' : 'the two sides differ'
    const sampled = found === 0 ? 'the sample is equal on both sides' : 'the sample differs'
    this.#parts.core.events.record('verify', scope === 'full' ? whole : sampled, {
      data: { keysCompared, differences, missing, extra, ttlDifferences, repaired },
    })
  }

  async #repair(keys: readonly { db: number; key: Buffer }[]): Promise<void> {
    const { journal, traffic } = this.#parts.core
    for (const { db, key } of keys) journal.mark(db, key, traffic.authority, 'found different by a verification')
    const deadlineMs = performance.now() + repairWaitMs
    while (keys.some(({ db, key }) => journal.truthOf(db, key) !== null)) {
      if (performance.now() > deadlineMs) throw new FerryError('interrupted', `the repair took longer than ${repairWaitMs} ms`)
      await delay(5)
    }
  }
}
