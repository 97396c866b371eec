import type { DatabaseSync } from 'node:sqlite'

/** All of `work` or none of it. Not nestable; `work` must be synchronous, as everything on this connection is. */
export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // A full disk or an I/O error may have rolled back already.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}
