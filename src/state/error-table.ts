/** The error queue: keys that could not be copied after all retries, with what is needed to understand, edit and repeat them. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { FailureClass } from '../routing/copy-failure.ts'
import { compileGlob } from '../routing/glob.ts'
import type { Side } from '../routing/modes.ts'
import { toBuffer } from './journal-table.ts'
import { inTransaction } from './transaction.ts'

/** Which side's value is wanted: one of them, or that of whichever has the authority when it is replayed. */
type Wanted = Side | 'authority'

/** `open` waits for a person, `replaying` is being tried again, `skipped` was given up by a person. */
export type FailedState = 'open' | 'replaying' | 'skipped'

export interface FailedCopy {
  readonly db: number
  readonly key: Buffer
  readonly type: string | null
  readonly sizeBytes: number | null
  /** Remaining at the time of the failure; null = none or unknown. */
  readonly ttlMs: number | null
  /** Attempts since the last report of this key. */
  readonly attempts: number
  readonly failure: FailureClass
  /** Who refused it; null where it is not known. */
  readonly saidBy: Side | null
  readonly from: Wanted
  readonly error: string
  /** What DUMP gave, where it was asked for. */
  readonly payload: Buffer | null
  /** The first refusal since the last report, and the last one. Milliseconds since 1970. */
  readonly firstAt: number
  readonly lastAt: number
}

export interface FailedEntry extends FailedCopy {
  readonly id: number
  readonly state: FailedState
  readonly note: string | null
}

/** All that are given must hold. */
export interface FailedFilter {
  readonly failure?: FailureClass | undefined
  readonly state?: FailedState | undefined
  readonly db?: number | undefined
  readonly key?: Buffer | undefined
  /** As of SCAN MATCH. */
  readonly pattern?: string | undefined
  /** Bounds of the last failure, milliseconds since 1970. */
  readonly lastAtMin?: number | undefined
  readonly lastAtMax?: number | undefined
}

/** What a person decided about an entry; what is absent stays. */
export interface FailedEdit {
  readonly state?: 'open' | 'skipped' | undefined
  readonly note?: string | undefined
  readonly from?: Wanted | undefined
}

interface FailedPage {
  /** That fit the filter; its pattern is not counted in, since that would mean to look at every key. */
  readonly total: number
  readonly items: FailedEntry[]
  /** Give it as the next `cursor`; null = this was the last page. With a pattern a page may be short and still not the last. */
  readonly nextCursor: number | null
}

interface FailedRow {
  id: number
  db: number
  key: Uint8Array
  type: string | null
  size_bytes: number | null
  ttl_ms: number | null
  attempts: number
  class: string
  origin: string
  said_by: string | null
  state: string
  note: string | null
  payload: Uint8Array | null
  error: string
  first_at: number
  last_at: number
}

const pageRows = 1_000
/** Rows that one page looks at where a pattern leaves most of them out: some ten milliseconds. */
const lookMax = 20_000

export class ErrorTable {
  readonly #database: DatabaseSync
  readonly #add: StatementSync
  readonly #one: StatementSync
  readonly #remove: StatementSync
  readonly #settle: StatementSync
  readonly #taken: StatementSync
  readonly #edit: StatementSync
  /** No fewer than there are. */
  #rows: number

  constructor(database: DatabaseSync) {
    this.#database = database
    // What a person skipped stays skipped for as long as it fails for the same cause.
    this.#add = database.prepare(
      `INSERT INTO failed (db, key, type, size_bytes, ttl_ms, attempts, class, origin, said_by, error, payload, first_at, last_at,
         scans)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (db, key) DO UPDATE SET
         type = coalesce(excluded.type, type), size_bytes = coalesce(excluded.size_bytes, size_bytes), ttl_ms = excluded.ttl_ms,
         attempts = attempts + excluded.attempts, error = excluded.error, last_at = excluded.last_at,
         state = CASE WHEN state = 'skipped' AND class = excluded.class THEN 'skipped' ELSE 'open' END,
         class = excluded.class, origin = excluded.origin, said_by = excluded.said_by, payload = coalesce(excluded.payload, payload),
         scans = scans + excluded.scans`,
    )
    this.#one = database.prepare('SELECT * FROM failed WHERE id = ?')
    this.#remove = database.prepare('DELETE FROM failed WHERE id = ?')
    this.#settle = database.prepare('DELETE FROM failed WHERE db = ? AND key = ? RETURNING scans')
    this.#taken = database.prepare("UPDATE failed SET state = 'replaying', replay = ? WHERE id = ?")
    this.#edit = database.prepare(
      'UPDATE failed SET state = coalesce(?, state), note = coalesce(?, note), origin = coalesce(?, origin) WHERE id = ?',
    )
    this.#rows = this.#number('SELECT count(*) AS total FROM failed')
  }

  add(copy: FailedCopy, scans: number): void {
    const { db, key, type, sizeBytes, ttlMs, attempts, failure, from, saidBy, error, payload, firstAt, lastAt } = copy
    this.#add.run(db, key, type, sizeBytes, ttlMs, attempts, failure, from, saidBy, error, payload, firstAt, lastAt, scans)
    this.#rows++
  }

  list(cursor: number, limit: number, filter: FailedFilter): FailedPage {
    const { where, values } = conditionsOf(filter)
    const total = this.#number(`SELECT count(*) AS total FROM failed WHERE ${where}`, values)
    const page = this.#database.prepare(`SELECT * FROM failed WHERE ${where} AND id > ? ORDER BY id LIMIT ?`)
    const fits = patternOf(filter)
    const items: FailedEntry[] = []
    let last = cursor
    for (let looked = 0; looked < lookMax; ) {
      const rows = page.all(...values, last, Math.min(pageRows, limit + 1)) as unknown as FailedRow[]
      for (const row of rows) {
        if (items.length === limit) return { total, items, nextCursor: last }
        last = row.id
        if (fits(row.key)) items.push(toEntry(row))
      }
      if (rows.length < Math.min(pageRows, limit + 1)) return { total, items, nextCursor: null }
      looked += rows.length
    }
    return { total, items, nextCursor: last }
  }

  *take(ids: Iterable<number> | undefined, filter: FailedFilter): Generator<FailedEntry> {
    if (ids !== undefined) {
      for (const id of ids) {
        const row = this.#one.get(id) as FailedRow | undefined
        if (row !== undefined) yield toEntry(row)
      }
      return
    }
    for (let cursor: number | null = 0; cursor !== null; ) {
      const page: FailedPage = this.list(cursor, pageRows, filter)
      yield* page.items
      cursor = page.nextCursor
    }
  }

  /** Marks them as taken up by one replay, whose number is the answer. */
  replay(ids: Iterable<number>): number {
    const replay = this.#number('SELECT coalesce(max(replay), 0) + 1 AS total FROM failed')
    inTransaction(this.#database, () => {
      for (const id of ids) this.#taken.run(replay, id)
    })
    return replay
  }

  /** How many of a replay are still under way, and how many failed anew; the rest of it is copied. */
  replayed(replay: number): { waiting: number; failed: number } {
    const having = (state: FailedState): number =>
      this.#number('SELECT count(*) AS total FROM failed WHERE replay = ? AND state = ?', [replay, state])
    return { waiting: having('replaying'), failed: having('open') }
  }

  /** The authority has changed: from here on its values are the wanted ones. */
  decide(): void {
    if (this.#rows > 0) this.#database.exec("UPDATE failed SET origin = 'authority'")
  }

  /** How many there were of these ids. */
  edit(ids: Iterable<number>, { state, note, from }: FailedEdit): number {
    let changed = 0
    inTransaction(this.#database, () => {
      for (const id of ids) changed += Number(this.#edit.run(state ?? null, note ?? null, from ?? null, id).changes)
    })
    return changed
  }

  remove(ids: Iterable<number>): void {
    inTransaction(this.#database, () => {
      for (const id of ids) this.#remove.run(id)
    })
    this.#rows = this.#number('SELECT count(*) AS total FROM failed')
  }

  /**
   * Both sides have these now, whatever was told of them before: how many scans those count for that were in the queue. Costs nothing while it
   * is empty.
   */
  settle(keys: readonly { readonly db: number; readonly key: Buffer }[]): number {
    if (this.#rows === 0 || keys.length === 0) return 0
    let scans = 0
    inTransaction(this.#database, () => {
      for (const { db, key } of keys) {
        const row = this.#settle.get(db, key) as { scans: number } | undefined
        if (row === undefined) continue
        this.#rows--
        scans += row.scans
      }
    })
    return scans
  }

  /** Those that a scan counts, each as often as it came by it. */
  *counted(): Generator<{ readonly db: number; readonly key: Buffer; readonly scans: number }> {
    if (this.#rows === 0) return
    const all = this.#database.prepare('SELECT db, key, scans FROM failed WHERE scans > 0')
    for (const row of all.iterate()) yield { db: Number(row.db), key: toBuffer(row.key as Uint8Array), scans: Number(row.scans) }
  }

  /** No scan counts any of them. */
  discount(): void {
    if (this.#rows > 0) this.#database.exec('UPDATE failed SET scans = 0 WHERE scans > 0')
  }

  get isEmpty(): boolean {
    return this.#rows === 0
  }

  /** Those that nobody gave up. */
  countOpen(): number {
    return this.#rows === 0 ? 0 : this.#number("SELECT count(*) AS total FROM failed WHERE state <> 'skipped'")
  }

  byClass(): Partial<Record<FailureClass, number>> {
    const rows = this.#database
      .prepare("SELECT class, count(*) AS total FROM failed WHERE state <> 'skipped' GROUP BY class ORDER BY total DESC, class")
      .all() as { class: FailureClass; total: number }[]
    return Object.fromEntries(rows.map((row) => [row.class, row.total]))
  }

  #number(sql: string, values: readonly SQLInputValue[] = []): number {
    return (this.#database.prepare(sql).get(...values) as { total: number }).total
  }
}

function conditionsOf(filter: FailedFilter): { where: string; values: SQLInputValue[] } {
  const conditions: readonly (readonly [string, SQLInputValue | undefined])[] = [
    ['class = ?', filter.failure],
    ['state = ?', filter.state],
    ['db = ?', filter.db],
    ['key = ?', filter.key],
    ['last_at >= ?', filter.lastAtMin],
    ['last_at <= ?', filter.lastAtMax],
  ]
  const given = conditions.filter(([, value]) => value !== undefined)
  return {
    where: ['1 = 1', ...given.map(([condition]) => condition)].join(' AND '),
    values: given.map(([, value]) => value as SQLInputValue),
  }
}

function patternOf({ pattern }: FailedFilter): (key: Uint8Array) => boolean {
  if (pattern === undefined) return () => true
  const glob = compileGlob(pattern)
  return (key) => glob.test(toBuffer(key).toString('latin1'))
}

function toEntry(row: FailedRow): FailedEntry {
  return {
    id: row.id,
    db: row.db,
    key: toBuffer(row.key),
    type: row.type,
    sizeBytes: row.size_bytes,
    ttlMs: row.ttl_ms,
    attempts: row.attempts,
    failure: row.class as FailureClass,
    saidBy: row.said_by as Side | null,
    from: row.origin as Wanted,
    state: row.state as FailedState,
    note: row.note,
    error: row.error,
    payload: row.payload === null ? null : toBuffer(row.payload),
    firstAt: row.first_at,
    lastAt: row.last_at,
  }
}
