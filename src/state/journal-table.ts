/** The dirty-key journal on disk: keys whose two sides may differ until they are healed. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Side } from '../routing/modes.ts'
import { inTransaction } from './transaction.ts'

export interface DirtyKey {
  readonly db: number
  readonly key: Buffer
  /** The side whose value counts. */
  readonly from: Side
  readonly reason: string
}

/** Rows read at a time: a reader may write to the journal while it reads. */
const pageRows = 5_000

export class JournalTable {
  readonly #database: DatabaseSync
  readonly #save: StatementSync
  readonly #remove: StatementSync
  readonly #page: StatementSync
  readonly #count: StatementSync

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#save = database.prepare(
      `INSERT INTO dirty (db, key, origin, reason) VALUES (?, ?, ?, ?)
       ON CONFLICT (db, key) DO UPDATE SET origin = excluded.origin, reason = excluded.reason`,
    )
    this.#remove = database.prepare('DELETE FROM dirty WHERE db = ? AND key = ?')
    this.#page = database.prepare('SELECT db, key, origin, reason FROM dirty WHERE (db, key) > (?, ?) ORDER BY db, key LIMIT ?')
    this.#count = database.prepare('SELECT count(*) AS total FROM dirty')
  }

  save(batch: Iterable<DirtyKey>): void {
    inTransaction(this.#database, () => {
      for (const { db, key, from, reason } of batch) this.#save.run(db, key, from, reason)
    })
  }

  remove(batch: Iterable<{ readonly db: number; readonly key: Buffer }>): void {
    inTransaction(this.#database, () => {
      for (const { db, key } of batch) this.#remove.run(db, key)
    })
  }

  *load(): Generator<DirtyKey> {
    let last: { db: number; key: Buffer } = { db: -1, key: Buffer.alloc(0) }
    for (;;) {
      const rows = this.#page.all(last.db, last.key, pageRows) as { db: number; key: Uint8Array; origin: Side; reason: string }[]
      for (const { db, key, origin, reason } of rows) {
        last = { db, key: toBuffer(key) }
        yield { ...last, from: origin, reason }
      }
      if (rows.length < pageRows) return
    }
  }

  count(): number {
    return (this.#count.get() as { total: number }).total
  }

  clear(): void {
    this.#database.exec('DELETE FROM dirty')
  }
}

/** A view of the same bytes: SQLite gives a Uint8Array of its own for each row. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
