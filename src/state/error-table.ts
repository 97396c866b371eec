/** The error queue: keys that could not be copied after all retries, with what is needed to understand and repeat them. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { toBuffer } from './journal-table.ts'
import { inTransaction } from './transaction.ts'

export interface FailedCopy {
  readonly db: number
  readonly key: Buffer
  readonly type: string | null
  readonly sizeBytes: number | null
  /** Remaining at the time of the failure; null = none or unknown. */
  readonly ttlMs: number | null
  /** Attempts since the last report of this key. */
  readonly attempts: number
  readonly error: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface FailedEntry extends Omit<FailedCopy, 'at'> {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly firstAt: number
  readonly lastAt: number
}

interface FailedPage {
  readonly total: number
  readonly items: FailedEntry[]
  /** Give it as the next `cursor`; null = this was the last page. */
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
  error: string
  first_at: number
  last_at: number
}

const pageRows = 1_000

export class ErrorTable {
  readonly #database: DatabaseSync
  readonly #add: StatementSync
  readonly #page: StatementSync
  readonly #one: StatementSync
  readonly #remove: StatementSync
  readonly #count: StatementSync

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#add = database.prepare(
      `INSERT INTO failed (db, key, type, size_bytes, ttl_ms, attempts, error, first_at, last_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
       ON CONFLICT (db, key) DO UPDATE SET
         type = coalesce(excluded.type, type), size_bytes = coalesce(excluded.size_bytes, size_bytes), ttl_ms = excluded.ttl_ms,
         attempts = attempts + excluded.attempts, error = excluded.error, last_at = excluded.last_at`,
    )
    this.#page = database.prepare('SELECT * FROM failed WHERE id > ? ORDER BY id LIMIT ?')
    this.#one = database.prepare('SELECT * FROM failed WHERE id = ?')
    this.#remove = database.prepare('DELETE FROM failed WHERE id = ?')
    this.#count = database.prepare('SELECT count(*) AS total FROM failed')
  }

  add(copy: FailedCopy): void {
    const { db, key, type, sizeBytes, ttlMs, attempts, error, at } = copy
    this.#add.run(db, key, type, sizeBytes, ttlMs, attempts, error, at)
  }

  list(cursor: number, limit: number): FailedPage {
    const rows = this.#page.all(cursor, limit + 1) as unknown as FailedRow[]
    const items = rows.slice(0, limit).map(toEntry)
    return { total: this.count(), items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? cursor) : null }
  }

  *take(ids: Iterable<number> | undefined): Generator<FailedEntry> {
    if (ids !== undefined) {
      for (const id of ids) {
        const row = this.#one.get(id) as FailedRow | undefined
        if (row !== undefined) yield toEntry(row)
      }
      return
    }
    for (let cursor: number | null = 0; cursor !== null; ) {
      const page: FailedPage = this.list(cursor, pageRows)
      yield* page.items
      cursor = page.nextCursor
    }
  }

  remove(ids: Iterable<number>): void {
    inTransaction(this.#database, () => {
      for (const id of ids) this.#remove.run(id)
    })
  }

  count(): number {
    return (this.#count.get() as { total: number }).total
  }
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
    error: row.error,
    firstAt: row.first_at,
    lastAt: row.last_at,
  }
}
