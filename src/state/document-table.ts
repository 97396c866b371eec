/** Small JSON documents under a name: settings and the phase in one table, mover checkpoints in another of the same shape. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

export class DocumentTable {
  readonly #save: StatementSync
  readonly #load: StatementSync
  readonly #remove: StatementSync

  constructor(database: DatabaseSync, table: 'document' | 'checkpoint') {
    const name = table === 'document' ? 'name' : 'job'
    this.#save = database.prepare(
      `INSERT INTO ${table} (${name}, value) VALUES (?, ?) ON CONFLICT (${name}) DO UPDATE SET value = excluded.value`,
    )
    this.#load = database.prepare(`SELECT value FROM ${table} WHERE ${name} = ?`)
    this.#remove = database.prepare(`DELETE FROM ${table} WHERE ${name} = ?`)
  }

  save(name: string, value: unknown): void {
    this.#save.run(name, JSON.stringify(value))
  }

  load(name: string): unknown | null {
    const row = this.#load.get(name) as { value: string } | undefined
    return row === undefined ? null : JSON.parse(row.value)
  }

  remove(name: string): void {
    this.#remove.run(name)
  }
}
