/** The migration's record as it is kept: whoever changes it saves it here, with what the data path has found out since. */
import type { Core } from '../dispatch/core.ts'
import type { TrafficWish } from '../dispatch/traffic.ts'
import type { Store } from '../state/store.ts'
import type { Situation } from './blockers.ts'
import { type MigrationRecord, saveMigration } from './state.ts'

export class Memory {
  readonly record: MigrationRecord
  readonly #core: Core
  readonly #store: Store

  constructor(core: Core, store: Store, record: MigrationRecord) {
    this.#core = core
    this.#store = store
    this.record = record
  }

  get wish(): TrafficWish {
    const { phase, writePolicy, readMode, readPercentage, ratioBy, tenants } = this.record
    return { phase, writePolicy, readMode, readPercentage, ratioBy, tenants }
  }

  save(): void {
    this.record.coveredSlots = this.#core.traffic.coveredSlots
    this.record.resyncReason = this.#core.journal.resyncReason
    if (this.record.resyncReason !== null || !this.#core.traffic.covered) this.record.unsureAt = new Date().toISOString()
    saveMigration(this.#store, this.record)
  }

  /** A doubt about everything comes from the data path, which does not save it. */
  saveDoubts(): void {
    const { journal, traffic } = this.#core
    if (this.record.resyncReason !== journal.resyncReason || this.record.coveredSlots !== traffic.coveredSlots) this.save()
  }

  /** Of every key. What a verification says is as old as its beginning, `from` (ISO 8601, UTC). */
  verified(differences: number, from: string): void {
    this.record.verifiedAt = new Date().toISOString()
    this.record.verifiedFrom = from
    this.record.verifiedDifferences = differences
    this.save()
  }

  /** The last one of every key, where what it said may still hold. `maxAgeMs` goes on as it came. */
  verification(maxAgeMs: number): Situation['verification'] {
    const { verifiedFrom, verifiedDifferences, unsureAt } = this.record
    const holds = verifiedFrom !== null && (unsureAt === null || unsureAt < verifiedFrom)
    return {
      maxAgeMs,
      ageMs: holds ? Math.max(0, Date.now() - Date.parse(verifiedFrom)) : null,
      differences: verifiedDifferences ?? 0,
      outdated: verifiedFrom !== null && !holds,
    }
  }
}
