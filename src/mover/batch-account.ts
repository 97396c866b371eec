/**
 * What became of the keys of a batch, entered wherever it counts: in the numbers of the copy, in the journal for what has to be healed, in the
 * ledger for the key's end, and in the error queue for what is settled.
 */
import type { DbKey } from '../dispatch/command-keys.ts'
import type { Core } from '../dispatch/core.ts'
import { failureClassOf, stopsAll } from '../routing/copy-failure.ts'
import type { Side } from '../routing/modes.ts'
import type { Store } from '../state/store.ts'
import type { CopyOutcome } from './copy-outcome.ts'
import type { Progress } from './progress.ts'
import type { Standstill } from './standstill.ts'

export class BatchAccount {
  readonly #core: Core
  readonly #store: Store
  readonly #standstill: Standstill
  readonly #progress: Progress

  constructor(core: Core, store: Store, standstill: Standstill, progress: Progress) {
    this.#core = core
    this.#store = store
    this.#standstill = standstill
    this.#progress = progress
  }

  /** `inLedger`: the scan has counted these keys, and the ledger waits for the end of each. */
  enter(db: number, keys: readonly Buffer[], from: Side, outcome: CopyOutcome, inLedger: boolean, nowMs: number): void {
    this.#count(outcome)
    this.#mark(db, from, outcome, nowMs)
    if (inLedger) this.#end(db, outcome)
    if (!this.#store.nothingFailed) this.#settle(db, keys, outcome)
    if (outcome.lost !== null) this.#progress.wentWrong(this, outcome.lost)
    else if (outcome.busy.length < keys.length) this.wentThrough()
  }

  /** The servers have answered for keys that were copied, whoever copied them: what cut off an earlier batch is over. */
  wentThrough(): void {
    this.#progress.wentWell(this)
  }

  #count({ copied, deleted, bytes, busy, unknown, failed }: CopyOutcome): void {
    const progress = this.#progress
    const { mover } = this.#core.counters
    const retried = busy.length + unknown.length
    progress.keysCopied += copied
    progress.keysDeleted += deleted
    progress.bytesCopied += bytes
    progress.keysRetried += retried
    progress.keysFailed += failed.length
    mover.keysCopied += copied
    mover.keysDeleted += deleted
    mover.bytesCopied += bytes
    mover.keysRetried += retried
    mover.keysFailed += failed.length
  }

  /** Those whose outcome is unknown were marked by the copier, before the writes that had queued behind them went out. */
  #mark(db: number, from: Side, { busy, long, failed, lost }: CopyOutcome, nowMs: number): void {
    const { journal } = this.#core
    for (const key of busy) journal.mark(db, key, from, lost ?? 'it was in use when the mover came by')
    // The healing takes its time for each, and the scan goes on.
    for (const key of long) journal.mark(db, key, from, 'it is long, and copied by itself')
    for (const { key, error, side } of failed) {
      journal.mark(db, key, from, error)
      const failure = failureClassOf(error)
      if (stopsAll(failure)) this.#standstill.begin({ failure, side, error, db, key }, nowMs)
    }
  }

  /** Each key of a batch ends here, or is owed by the journal, where it was marked. */
  #end(db: number, { copied, absent, passedOver, skipped, busy, unknown, failed, long }: CopyOutcome): void {
    const { journal } = this.#core
    journal.ledger.ended('copied', copied)
    journal.ledger.ended('vanished', absent.length)
    journal.ledger.ended('skipped', passedOver + skipped.length)
    for (const key of [...busy, ...unknown, ...long]) journal.owe(db, key)
    for (const { key } of failed) journal.owe(db, key)
  }

  /** What failed once and is copied now leaves the queue; what is in the journal, or should be, is not settled yet. */
  #settle(db: number, keys: readonly Buffer[], { busy, unknown, failed, long, absent, skipped }: CopyOutcome): void {
    const { journal } = this.#core
    const open = new Set([...busy, ...unknown, ...long, ...failed.map(({ key }) => key)])
    const settled = keys.filter((key) => !open.has(key) && journal.truthOf(db, key) === null)
    const [gone, passed] = [new Set(absent), new Set(skipped)]
    const ending = (is: (key: Buffer) => boolean): DbKey[] => settled.filter(is).map((key) => ({ db, key }))
    journal.settle(
      ending((key) => gone.has(key)),
      'vanished',
    )
    journal.settle(
      ending((key) => passed.has(key)),
      'skipped',
    )
    journal.settle(
      ending((key) => !gone.has(key) && !passed.has(key)),
      'copied',
    )
  }
}
