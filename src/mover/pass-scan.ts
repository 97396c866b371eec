/**
 * All keys of one side, page by page: every database from its cursor on, then whatever may have gone past the scan in a slot that changed
 * hands. A page is asked for while the one before it is copied, so the scan never waits for the copies.
 */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import type { Side } from '../routing/modes.ts'
import type { Brake } from './brake.ts'
import { databasesToScan } from './database-fit.ts'
import type { JobRun } from './job-run.ts'
import type { PassServers } from './pass-servers.ts'
import { type Page, scanPage } from './scan.ts'

/** Where a scan goes on, or stands: a cursor is text, and of the server that gave it. */
export interface ScanPlace {
  readonly db: number
  readonly cursor: string
}

/** With the place that it was asked for from: asked for again, it comes again. */
export interface FoundPage extends ScanPlace {
  readonly keys: readonly Buffer[]
}

export class PassScan {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #servers: PassServers
  readonly #brake: Brake

  /** `servers` has begun with the side that is scanned. */
  constructor(core: Core, lanes: Lanes, servers: PassServers, brake: Brake) {
    this.#core = core
    this.#lanes = lanes
    this.#servers = servers
    this.#brake = brake
  }

  /**
   * Of the databases `counted`, those before `from` left out; null = from the beginning. Ends early where the run was stopped, and waits where
   * it is paused. Throws OtherServer, and what the servers say where they stay away.
   */
  async *pages(run: JobRun, scanned: Side, counted: Iterable<number>, from: ScanPlace | null): AsyncGenerator<FoundPage> {
    const dbs = (await run.patiently(() => databasesToScan(this.#core, this.#lanes, scanned, counted))) ?? []
    for (const db of dbs) {
      if (from !== null && db < from.db) continue
      yield* this.#database(run, scanned, db, from !== null && db === from.db ? from.cursor : '0')
    }
    for (const db of dbs) yield* this.#moved(run, scanned, db, this.#servers.since)
  }

  async *#database(run: JobRun, scanned: Side, db: number, start: string): AsyncGenerator<FoundPage> {
    const ask = (cursor: string): Promise<Page | null> =>
      run.patiently(() => scanPage(this.#lanes.lane(scanned), db, cursor, this.#brake.shape.batchKeys))
    const server = this.#servers.startOf(scanned)
    let cursor = start
    let coming: Promise<Page | null> | null = ask(cursor)
    while (coming !== null) {
      const page: Page | null = await coming
      await run.untilResumed()
      if (page === null || !run.isWanted) return
      this.#servers.mustBe(scanned, server)
      coming = page.next === '0' ? null : ask(page.next)
      // Whoever stops the job leaves the page that is coming to nobody.
      coming?.catch(() => undefined)
      yield { db, cursor, keys: page.keys }
      cursor = page.next
    }
  }

  /** What may have gone past the scan, from a server that it had not reached to one that it had left. */
  async *#moved(run: JobRun, scanned: Side, db: number, since: number): AsyncGenerator<FoundPage> {
    const layout = this.#lanes.layouts[scanned]
    if (layout === null || !run.isWanted) return
    const moved = await run.patiently(async () => new Set([...layout.movedSince(since), ...(await layout.inTransit())]))
    for (const slot of moved ?? []) {
      const keys = await run.patiently(() => layout.keysIn(slot, db))
      await run.untilResumed()
      if (keys === null || !run.isWanted) return
      yield { db, cursor: '0', keys }
    }
  }
}
