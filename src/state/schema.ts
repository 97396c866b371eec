/** The state file's tables and how an older file becomes a current one. */
import type { DatabaseSync } from 'node:sqlite'
import { FerryError } from '../errors.ts'
import { inTransaction } from './transaction.ts'

/** "FERR": tells a state file from any other SQLite database. */
const applicationId = 0x46_45_52_52

/** Step n leads from version n to n + 1. Steps that were released are never changed, only followed by new ones. */
const migrations: readonly string[] = [
  `CREATE TABLE document (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE checkpoint (job TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE lifecycle (one INTEGER PRIMARY KEY CHECK (one = 1), running INTEGER NOT NULL) STRICT;
   CREATE TABLE dirty (
     db INTEGER NOT NULL, key BLOB NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL,
     PRIMARY KEY (db, key)) STRICT, WITHOUT ROWID;
   CREATE TABLE failed (
     id INTEGER PRIMARY KEY AUTOINCREMENT, db INTEGER NOT NULL, key BLOB NOT NULL, type TEXT, size_bytes INTEGER, ttl_ms INTEGER,
     attempts INTEGER NOT NULL, error TEXT NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
     UNIQUE (db, key)) STRICT;
   CREATE TABLE event (
     id INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL, reason TEXT, data TEXT NOT NULL) STRICT;`,
  `ALTER TABLE failed ADD COLUMN class TEXT NOT NULL DEFAULT 'unknown';
   ALTER TABLE failed ADD COLUMN origin TEXT NOT NULL DEFAULT 'authority';
   ALTER TABLE failed ADD COLUMN said_by TEXT;
   ALTER TABLE failed ADD COLUMN state TEXT NOT NULL DEFAULT 'open';
   ALTER TABLE failed ADD COLUMN note TEXT;
   ALTER TABLE failed ADD COLUMN payload BLOB;
   ALTER TABLE failed ADD COLUMN replay INTEGER NOT NULL DEFAULT 0;
   CREATE INDEX failed_replay ON failed (replay, state);`,
  'ALTER TABLE failed ADD COLUMN scans INTEGER NOT NULL DEFAULT 0;',
]

/**
 * All steps run in one transaction: a crash on the way leaves the old version.
 * @throws FerryError `invalid-config` for a file of a newer version or of another program.
 */
export function migrate(database: DatabaseSync, path: string): void {
  const version = readPragma(database, 'user_version')
  const owner = readPragma(database, 'application_id')
  const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
  if (owner !== applicationId && !(isEmpty && owner === 0 && version === 0)) {
    throw new FerryError('invalid-config', `${path} is a database of another program, not a state file of Ferry`)
  }
  if (version > migrations.length) {
    throw new FerryError(
      'invalid-config',
      `the state file ${path} was written by a newer Ferry (its version is ${version}, this one knows up to ${migrations.length})`,
    )
  }
  if (version === migrations.length) return
  inTransaction(database, () => {
    for (const step of migrations.slice(version)) database.exec(step)
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`)
  })
}

function readPragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  const row = database.prepare(`PRAGMA ${name}`).get()
  return Number(row?.[name] ?? 0)
}
