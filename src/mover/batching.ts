/**
 * Copies pages of keys in batches, some of them at once, and knows which pages are through. A page is handed over as soon as its last batch has
 * begun: whoever scans waits for a free place only, not for the copies.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Side } from '../routing/modes.ts'
import type { Allowance } from './allowance.ts'
import type { BatchAccount } from './batch-account.ts'
import { BatchesUnderWay } from './batches-under-way.ts'
import type { Brake } from './brake.ts'
import type { Copier } from './copier.ts'
import type { JobRun } from './job-run.ts'
import { type OpenPage, OpenPages } from './open-pages.ts'
import type { FoundPage, ScanPlace } from './pass-scan.ts'
import type { MoverLimits, Progress } from './progress.ts'
import type { Shape } from './throttle.ts'

/** What is copied before anything else: how large the values are, and which way they go best, is known from then on. */
const firstKeys = 16
/** How long at most until it is looked again whether another batch may begin. */
const allowancePollMs = 200

export class Batching {
  readonly #copier: Copier
  readonly #account: BatchAccount
  readonly #brake: Brake
  readonly #allowance: Allowance
  readonly #limits: MoverLimits
  readonly #progress: Progress
  readonly #advanced: () => void
  readonly #batches = new BatchesUnderWay()
  readonly #pages = new OpenPages()
  #isFirst = true

  /** `limits` are the job's own, and may change. `advanced`: `oldest` is another page now, and what was before it is through. */
  constructor(
    copier: Copier,
    account: BatchAccount,
    brake: Brake,
    allowance: Allowance,
    limits: MoverLimits,
    progress: Progress,
    advanced: () => void,
  ) {
    this.#copier = copier
    this.#account = account
    this.#brake = brake
    this.#allowance = allowance
    this.#limits = limits
    this.#progress = progress
    this.#advanced = advanced
  }

  /** Batches, of a run that was stopped as well. */
  get underWay(): number {
    return this.#batches.count
  }

  /** Where a scan goes on that has to miss nothing which is not through; undefined where no page was begun. */
  get oldest(): ScanPlace | undefined {
    return this.#pages.oldest
  }

  untilThrough(): Promise<void> {
    return this.#batches.untilAtMost(0)
  }

  /** Another scan begins, or this one begins anew: a cursor of the pages until now means nothing to it. */
  forgetPages(): void {
    this.#pages.clear()
  }

  /** `inLedger`: see BatchAccount. Returns early where the run is stopped. */
  async copy(run: JobRun, page: FoundPage, from: Side, inLedger: boolean): Promise<void> {
    const { db, cursor, keys } = page
    // One batch that has to wait must not leave the checkpoint far behind.
    while (run.isWanted && this.#pages.count > this.#limits.batchesInFlight) await this.#batches.untilOneEnds()
    if (!run.isWanted) return
    const open = this.#pages.begin(db, cursor)
    for (let at = 0; at < keys.length; ) {
      const { keysCopied, bytesCopied } = this.#progress
      const batch = keys.slice(at, at + keysOfBatch(this.#brake.shape, keysCopied, bytesCopied))
      at += batch.length
      await this.#batches.untilAtMost(this.#isFirst ? 0 : this.#brake.shape.batchesInFlight - 1)
      await this.untilAllowed(run, batch.length)
      if (!run.isWanted) return
      open.left++
      this.#batches.begin()
      void this.#copyBatch(run, db, batch, from, inLedger).then(() => {
        this.#isFirst = false
        this.#finished(run, open)
        this.#batches.end()
      })
    }
    this.#finished(run, open)
  }

  async #copyBatch(run: JobRun, db: number, keys: readonly Buffer[], from: Side, inLedger: boolean): Promise<void> {
    const beganMs = performance.now()
    const outcome = await this.#copier.copy(db, keys, from)
    const endedMs = performance.now()
    this.#brake.copied(endedMs - beganMs, endedMs)
    this.#allowance.spend(outcome.bytes)
    // A run that is stopped leaves the ledger to the next, which counts from its checkpoint.
    this.#account.enter(db, keys, from, outcome, inLedger && run.isWanted, endedMs)
  }

  /** Until nothing stands against so many keys; also for whoever was stopped meanwhile. */
  async untilAllowed(run: JobRun, keys: number): Promise<void> {
    for (;;) {
      await run.untilResumed()
      if (!run.isWanted) return
      const waitMs = this.#allowance.waitMs(keys, performance.now())
      if (waitMs === 0) return
      await delay(Math.min(waitMs, allowancePollMs))
    }
  }

  #finished(run: JobRun, open: OpenPage): void {
    open.left--
    // What a stopped run still had under way says nothing of the checkpoint: it may have been given up.
    if (!run.isWanted) return
    if (this.#pages.advance()) this.#advanced()
  }
}

/** Keys per batch such that a batch stays below its bytes, by the size of what was copied so far. */
export function keysOfBatch({ batchKeys, batchBytes }: Shape, keysCopied: number, bytesCopied: number): number {
  if (keysCopied === 0) return Math.min(batchKeys, firstKeys)
  return Math.max(1, Math.min(batchKeys, Math.floor(batchBytes / (bytesCopied / keysCopied + 1))))
}
