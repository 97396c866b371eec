/** Everything that outlives the process, in domain verbs over one SQLite file. Nothing outside this folder knows SQL. */
import assert from 'node:assert'
import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { FerryError } from '../errors.ts'
import { DocumentTable } from './document-table.ts'
import { ErrorTable, type FailedCopy, type FailedEdit, type FailedFilter } from './error-table.ts'
import { EventTable, type StoredEvent } from './event-table.ts'
import { type DirtyKey, JournalTable } from './journal-table.ts'
import { migrate } from './schema.ts'

export type { FailedCopy, FailedEdit, FailedEntry, FailedFilter } from './error-table.ts'
export type { DirtyKey } from './journal-table.ts'

export interface Checkpoint {
  readonly db: number
  /** The server's own, as text: of 64 bits, so never a JavaScript number. */
  readonly cursor: string
  readonly keysScanned: number
  readonly [counter: string]: string | number | boolean | null
}

/** How long a process that is just ending may hold the file; the event loop stands still meanwhile. */
const lockWaitMs = 500

/**
 * Opens or creates the state file; `:memory:` keeps nothing. The file is locked until `close` or the end of the process, however that ends.
 * What was saved survives a crash of the process at once, and a crash of the machine except for the last moments (see `markRunning`).
 * @throws FerryError `blocked` if another process holds it; `invalid-config` if it cannot be opened, is no state file, or is of a newer version.
 */
export function openStore(path: string): Store {
  return new Store(openDatabase(path), path)
}

export class Store {
  readonly #database: DatabaseSync
  readonly #documents: DocumentTable
  readonly #checkpoints: DocumentTable
  readonly #journal: JournalTable
  readonly #errors: ErrorTable
  readonly #events: EventTable
  readonly #wasClean: boolean

  constructor(database: DatabaseSync, path: string) {
    this.#database = database
    try {
      migrate(database, path)
      this.#documents = new DocumentTable(database, 'document')
      this.#checkpoints = new DocumentTable(database, 'checkpoint')
      this.#journal = new JournalTable(database)
      this.#errors = new ErrorTable(database)
      this.#events = new EventTable(database)
      const row = database.prepare('SELECT running FROM lifecycle').get()
      this.#wasClean = row === undefined || row.running === 0
    } catch (error) {
      database.close()
      throw error
    }
  }

  /** Null if there is none of this name. */
  loadDocument(name: string): unknown | null {
    return this.#documents.load(name)
  }

  /** @param value anything that JSON can hold. */
  saveDocument(name: string, value: unknown): void {
    assert(value !== undefined, 'a document cannot be undefined')
    this.#documents.save(name, value)
  }

  removeDocument(name: string): void {
    this.#documents.remove(name)
  }

  /** Whether the run before this one ended with `markClean`; true for a new file. Does not change while the store is open. */
  cleanShutdown(): boolean {
    return this.#wasClean
  }

  /** Call before the first write that could be left half done. On disk when it returns, even if the machine loses power. */
  markRunning(): void {
    this.#mark(1)
  }

  /** Call after the last write was settled and everything was saved. */
  markClean(): void {
    this.#mark(0)
  }

  /** Upsert, in one transaction. */
  saveDirty(batch: Iterable<DirtyKey>): void {
    this.#journal.save(batch)
  }

  /** In one transaction; keys that are not in the journal are passed over. */
  removeDirty(batch: Iterable<{ readonly db: number; readonly key: Buffer }>): void {
    this.#journal.remove(batch)
  }

  /** By database and key. Read in pages: the journal may change meanwhile, and what is added behind the reader is not seen. */
  loadDirty(): Iterable<DirtyKey> {
    return this.#journal.load()
  }

  countDirty(): number {
    return this.#journal.count()
  }

  clearDirty(): void {
    this.#journal.clear()
  }

  /**
   * A key that is in the queue already keeps its id and first time; its attempts and scans add up, the rest becomes what is given. `scans`: how
   * often the copy that is under way has scanned the key, and counts it as exported.
   */
  addFailed(copy: FailedCopy, scans = 0): void {
    this.#errors.add(copy, scans)
  }

  /** Of the queue, what the copy that is under way counts as exported; also for one that goes on after a restart. The queue must not change meanwhile. */
  countedFailed(): ReturnType<ErrorTable['counted']> {
    return this.#errors.counted()
  }

  /** A copy begins to count from nothing: what is in the queue by now was exported by others. */
  discountFailed(): void {
    this.#errors.discount()
  }

  /** In the order of ids; begin with cursor 0. */
  listFailed(cursor: number, limit: number, filter: FailedFilter = {}): ReturnType<ErrorTable['list']> {
    return this.#errors.list(cursor, limit, filter)
  }

  /** Those that stand in the way: not the ones that somebody skipped. */
  countFailed(): number {
    return this.#errors.countOpen()
  }

  /** At no cost, so that it can be asked for every batch. False may also be said of a queue that was emptied. */
  get nothingFailed(): boolean {
    return this.#errors.isEmpty
  }

  /** The same by what they failed for, most first. */
  failedByClass(): ReturnType<ErrorTable['byClass']> {
    return this.#errors.byClass()
  }

  /** Those of `ids` that exist, or all that fit. They stay in the queue until they are settled or removed. */
  takeFailed(ids: Iterable<number> | undefined, filter: FailedFilter = {}): ReturnType<ErrorTable['take']> {
    return this.#errors.take(ids, filter)
  }

  /** Marks them as being tried again; the answer is what `replayedFailed` asks by. */
  replayFailed(ids: Iterable<number>): number {
    return this.#errors.replay(ids)
  }

  /** What became of a replay so far: the rest of it is settled. */
  replayedFailed(replay: number): ReturnType<ErrorTable['replayed']> {
    return this.#errors.replayed(replay)
  }

  /** After a flip: the values of the new authority are the wanted ones. */
  decideFailed(): void {
    this.#errors.decide()
  }

  /** How many of `ids` there were. */
  editFailed(ids: Iterable<number>, edit: FailedEdit): number {
    return this.#errors.edit(ids, edit)
  }

  /**
   * These are the same on both sides now: they leave the queue. Keys that are not in it are passed over. The answer is how many scans they
   * were counted as exported for.
   */
  settleFailed(keys: readonly { readonly db: number; readonly key: Buffer }[]): number {
    return this.#errors.settle(keys)
  }

  removeFailed(ids: Iterable<number>): void {
    this.#errors.remove(ids)
  }

  /** In one transaction. Ids must be new; only the latest `eventsKept` (limits.ts) stay. */
  appendEvents(batch: Iterable<StoredEvent>): void {
    this.#events.append(batch)
  }

  /** Those with an id above `after`, oldest first. */
  loadEvents(after: number, limit: number): StoredEvent[] {
    return this.#events.load(after, limit)
  }

  saveCheckpoint(job: string, checkpoint: Checkpoint): void {
    assert(checkpoint.cursor.length > 0, 'a cursor has some text')
    this.#checkpoints.save(job, checkpoint)
  }

  loadCheckpoint(job: string): Checkpoint | null {
    return this.#checkpoints.load(job) as Checkpoint | null
  }

  clearCheckpoint(job: string): void {
    this.#checkpoints.remove(job)
  }

  /** Gives the file free; the write-ahead log is folded into it. Says nothing about a clean shutdown. */
  close(): void {
    this.#database.close()
  }

  #mark(running: 0 | 1): void {
    this.#database.exec(
      `PRAGMA synchronous = FULL;
       INSERT INTO lifecycle (one, running) VALUES (1, ${running}) ON CONFLICT (one) DO UPDATE SET running = excluded.running;
       PRAGMA synchronous = NORMAL`,
    )
  }
}

function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    // SQLite would create it readable for everyone; key names can be personal data. Its log files take over the mode.
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
    database = new DatabaseSync(path, { timeout: lockWaitMs })
    // Exclusive mode keeps the lock of the first transaction until the end, and must come before the first use of the log.
    database.exec(
      `PRAGMA locking_mode = EXCLUSIVE;
       PRAGMA journal_mode = WAL;
       PRAGMA synchronous = NORMAL;
       BEGIN EXCLUSIVE;
       COMMIT`,
    )
    return database
  } catch (cause) {
    database?.close()
    if (isBusy(cause)) {
      throw new FerryError('blocked', `ferry is already running on this state file: ${path}`, { cause })
    }
    throw new FerryError('invalid-config', `the state file ${path} cannot be opened: ${(cause as Error).message}`, { cause })
  }
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  // SQLITE_BUSY and SQLITE_LOCKED; the upper bits refine them.
  return code !== undefined && ((code & 0xff) === 5 || (code & 0xff) === 6)
}
