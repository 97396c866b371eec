/** From what a feed tells to the journal: each changed key, in each database where it may be. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Core } from '../dispatch/core.ts'
import { isTemporaryKey } from '../dispatch/typed/temporary-key.ts'
import { type Side, sides } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'
import { keyCounts } from './scan.ts'

/** Keys that wait until it is known which databases there are; beyond it a whole pass is cheaper. */
export const unplacedKeysMax = 1_000_000
const retryMs = 100
const reason = 'it was changed at the source'

export class ChangedKeys {
  /** Keys told of so far, each time it was. */
  told = 0
  /** When one was told of last; monotonic clock, ms. */
  lastMs = performance.now()
  readonly #core: Core
  readonly #lanes: Readonly<Record<Side, Lane>>
  /** Told of too many at once: then nothing is known of any key. */
  readonly #overflowed: (reason: string) => void
  /** Every database in which either side has been seen to hold keys. */
  readonly #databases = new Set<number>()
  #unplaced: Buffer[] = []
  /** Taken out of `unplaced`, and not in the journal yet. */
  #placing = 0
  #busy = false
  #stopped = false

  constructor(core: Core, lanes: Readonly<Record<Side, Lane>>, overflowed: (reason: string) => void) {
    this.#core = core
    this.#lanes = lanes
    this.#overflowed = overflowed
  }

  /** Keys that are on their way to the journal. */
  get waiting(): number {
    return this.#unplaced.length + this.#placing
  }

  /** Before the first key is told of. A key that is deleted at the source may have been the last one of its database. */
  async begin(): Promise<void> {
    for (const side of sides) for (const db of (await keyCounts(this.#lanes[side])).keys()) this.#databases.add(db)
  }

  stop(): void {
    this.#stopped = true
  }

  add(db: number | null, keys: readonly Buffer[]): void {
    this.told += keys.length
    this.lastMs = performance.now()
    if (db !== null) this.#mark([db], keys)
    else if (this.waiting + keys.length > unplacedKeysMax) this.#overflowed(`more than ${unplacedKeysMax} changed keys wait`)
    else {
      // One push of the server may hold more keys than a call may have arguments.
      for (const key of keys) this.#unplaced.push(key)
      void this.#place()
    }
  }

  /** Which databases there are is asked after the keys were told of: one that is not among them cannot hold any of these. */
  async #place(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    while (this.#unplaced.length > 0 && !this.#stopped) {
      const keys = this.#unplaced
      this.#unplaced = []
      this.#placing = keys.length
      if (await this.#learn()) this.#mark([...this.#databases], keys)
      else this.#unplaced = keys.concat(this.#unplaced)
      this.#placing = 0
    }
    this.#busy = false
  }

  async #learn(): Promise<boolean> {
    try {
      for (const db of (await keyCounts(this.#lanes.source)).keys()) this.#databases.add(db)
      return true
    } catch {
      await delay(retryMs)
      return false
    }
  }

  #mark(databases: readonly number[], keys: readonly Buffer[]): void {
    for (const key of keys) {
      if (isTemporaryKey(key)) continue
      for (const db of databases) {
        this.#databases.add(db)
        this.#core.journal.mark(db, key, 'source', reason)
      }
    }
  }
}
