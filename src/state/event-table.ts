/** The latest events, so that a restart does not forget why things are as they are. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { eventsKept } from '../limits.ts'
import { inTransaction } from './transaction.ts'

export interface StoredEvent {
  readonly id: number
  /** ISO 8601, UTC. */
  readonly at: string
  readonly kind: string
  readonly message: string
  readonly reason: string | null
  readonly data: Record<string, string | number | boolean | null>
}

export class EventTable {
  readonly #database: DatabaseSync
  readonly #append: StatementSync
  readonly #prune: StatementSync
  readonly #load: StatementSync

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#append = database.prepare('INSERT INTO event (id, at, kind, message, reason, data) VALUES (?, ?, ?, ?, ?, ?)')
    // By count, not by distance of ids: a log that starts anew may leave gaps.
    this.#prune = database.prepare('DELETE FROM event WHERE id <= (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?)')
    this.#load = database.prepare('SELECT id, at, kind, message, reason, data FROM event WHERE id > ? ORDER BY id LIMIT ?')
  }

  append(batch: Iterable<StoredEvent>): void {
    inTransaction(this.#database, () => {
      for (const { id, at, kind, message, reason, data } of batch)
        this.#append.run(id, at, kind, message, reason, JSON.stringify(data))
      this.#prune.run(eventsKept)
    })
  }

  load(after: number, limit: number): StoredEvent[] {
    const rows = this.#load.all(after, limit) as unknown as (Omit<StoredEvent, 'data'> & { data: string })[]
    return rows.map((row) => ({ ...row, data: JSON.parse(row.data) as StoredEvent['data'] }))
  }
}
