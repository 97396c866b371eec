import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FerryError } from '../../../src/errors.ts'
import { eventsKept } from '../../../src/limits.ts'
import type { FailureClass } from '../../../src/routing/copy-failure.ts'
import { type FailedFilter, openStore, type Store } from '../../../src/state/store.ts'

const binaryKey = Buffer.from([0x00, 0xff, 0x0d, 0x0a, 0x80, 0x00])
const writer = new URL('../../support/state-writer.ts', import.meta.url).pathname

let folder: string
let path: string
const open: Store[] = []
const children: ChildProcess[] = []

function openTracked(at = path): Store {
  const store = openStore(at)
  open.push(store)
  return store
}

function reopened(store: Store): Store {
  open.splice(open.indexOf(store), 1)
  store.close()
  return openTracked()
}

function refusal(action: () => unknown): FerryError {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(FerryError)
    return error as FerryError
  }
  throw new Error('nothing was refused')
}

const dirty = (db: number, key: string | Buffer, from: 'source' | 'target' = 'source', reason = 'timeout') => ({
  db,
  key: Buffer.from(key as string),
  from,
  reason,
})

const failure = (key: string, extra = {}) => ({
  db: 0,
  key: Buffer.from(key),
  type: 'hash',
  sizeBytes: 100,
  ttlMs: null,
  attempts: 3,
  failure: 'unknown' as FailureClass,
  saidBy: null,
  from: 'authority' as const,
  error: 'OOM',
  payload: null,
  firstAt: 1_000,
  lastAt: 1_000,
  ...extra,
})

const event = (id: number) => ({
  id,
  at: '2026-01-01T00:00:00.000Z',
  kind: 'phase',
  message: `m${id}`,
  reason: null,
  data: { n: id },
})

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-state-'))
  path = join(folder, 'state.db')
})

afterEach(() => {
  for (const store of open.splice(0)) store.close()
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

describe.each(['file', ':memory:'])('conformance, %s', (kind) => {
  let store: Store
  beforeEach(() => {
    store = openTracked(kind === 'file' ? path : ':memory:')
  })

  it('keeps documents by name', () => {
    expect(store.loadDocument('traffic')).toBeNull()
    store.saveDocument('traffic', { readMode: 'old', tenants: ['ä'] })
    store.saveDocument('phase', 'mirror')
    store.saveDocument('traffic', { readMode: 'new', tenants: [] })
    expect(store.loadDocument('traffic')).toEqual({ readMode: 'new', tenants: [] })
    expect(store.loadDocument('phase')).toBe('mirror')
    expect(() => store.saveDocument('phase', undefined)).toThrow()
  })

  it('keeps dirty keys by database and bytes, the latest reason winning', () => {
    store.saveDirty([dirty(0, binaryKey), dirty(1, binaryKey, 'target'), dirty(0, ''), dirty(0, 'é')])
    store.saveDirty([dirty(0, binaryKey, 'target', 'cut off')])
    expect(store.countDirty()).toBe(4)
    expect([...store.loadDirty()]).toEqual([
      dirty(0, ''),
      dirty(0, binaryKey, 'target', 'cut off'),
      dirty(0, 'é'),
      dirty(1, binaryKey, 'target'),
    ])
    store.removeDirty([
      { db: 0, key: binaryKey },
      { db: 7, key: binaryKey },
    ])
    expect(store.countDirty()).toBe(3)
    store.clearDirty()
    expect([...store.loadDirty()]).toEqual([])
  })

  it('saves a batch of dirty keys whole or not at all', () => {
    store.saveDirty([dirty(0, 'before')])
    function* broken() {
      yield dirty(0, 'half')
      throw new Error('stop')
    }
    expect(() => store.saveDirty(broken())).toThrow('stop')
    expect([...store.loadDirty()]).toEqual([dirty(0, 'before')])
    store.saveDirty([dirty(0, 'after')])
    expect(store.countDirty()).toBe(2)
  })

  it('lets the journal be emptied while it is read', () => {
    const keys = Array.from({ length: 12_000 }, (_, index) => dirty(index % 3, `k${index}`))
    store.saveDirty(keys)
    let seen = 0
    for (const key of store.loadDirty()) {
      seen += 1
      store.removeDirty([key])
    }
    expect(seen).toBe(12_000)
    expect(store.countDirty()).toBe(0)
  })

  it('adds up the attempts of a failed key and keeps its first time', () => {
    store.addFailed(failure('a'))
    store.addFailed(
      failure('a', { type: null, sizeBytes: null, ttlMs: 5, attempts: 2, error: 'BUSY', firstAt: 1_500, lastAt: 2_000 }),
    )
    const { total, items, nextCursor } = store.listFailed(0, 10)
    expect({ total, nextCursor }).toEqual({ total: 1, nextCursor: null })
    expect(items).toEqual([
      {
        id: 1,
        db: 0,
        key: Buffer.from('a'),
        type: 'hash',
        sizeBytes: 100,
        ttlMs: 5,
        attempts: 5,
        failure: 'unknown',
        saidBy: null,
        from: 'authority',
        state: 'open',
        note: null,
        error: 'BUSY',
        payload: null,
        firstAt: 1_000,
        lastAt: 2_000,
      },
    ])
  })

  it('pages through failed keys and keeps those that are taken until they are removed', () => {
    for (let index = 0; index < 25; index += 1) store.addFailed(failure(`k${index}`))
    const pages: number[] = []
    const seen: string[] = []
    for (let cursor: number | null = 0; cursor !== null; ) {
      const page = store.listFailed(cursor, 10)
      pages.push(page.items.length)
      seen.push(...page.items.map((item) => item.key.toString()))
      cursor = page.nextCursor
    }
    expect(pages).toEqual([10, 10, 5])
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => `k${index}`))

    expect([...store.takeFailed([2, 99, 4])].map((item) => item.id)).toEqual([2, 4])
    expect([...store.takeFailed(undefined)]).toHaveLength(25)
    store.removeFailed([2, 4, 99])
    expect(store.countFailed()).toBe(23)
    expect([...store.takeFailed([2, 4])]).toEqual([])
  })

  it('finds failed keys by what they failed for, database, key, pattern, state and age', () => {
    const binary = Buffer.from([0xff, 0, 0x61])
    store.addFailed(failure('user:1', { failure: 'no-permission', lastAt: 5_000 }))
    store.addFailed(failure('user:2', { db: 3, lastAt: 1_000 }))
    store.addFailed({ ...failure(''), key: binary })
    store.editFailed([3], { state: 'skipped', note: 'may be lost', from: 'target' })
    const found = (filter: FailedFilter): number[] => store.listFailed(0, 10, filter).items.map(({ id }) => id)
    expect(found({ failure: 'no-permission' })).toEqual([1])
    expect(found({ db: 3 })).toEqual([2])
    expect(found({ key: binary })).toEqual([3])
    expect(found({ pattern: 'user:*' })).toEqual([1, 2])
    expect(found({ pattern: '[^u]*' })).toEqual([3])
    expect(found({ state: 'open', lastAtMax: 4_000 })).toEqual([2])
    expect(found({ lastAtMin: 4_000 })).toEqual([1])
    expect(store.listFailed(0, 10, { key: binary }).items[0]).toMatchObject({ note: 'may be lost', from: 'target' })
    expect(store.failedByClass()).toEqual({ 'no-permission': 1, unknown: 1 })
  })

  it('pages through a pattern that leaves most of the keys out', () => {
    for (let index = 0; index < 60; index += 1) store.addFailed(failure(`${index % 20 === 0 ? 'a' : 'b'}${index}`))
    const seen: string[] = []
    for (let cursor: number | null = 0; cursor !== null; ) {
      const page = store.listFailed(cursor, 2, { pattern: 'a*' })
      seen.push(...page.items.map(({ key }) => key.toString()))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(['a0', 'a20', 'a40'])
  })

  it('does not count what was skipped, for as long as it fails for the same cause', () => {
    store.addFailed(failure('a'))
    store.editFailed([1], { state: 'skipped' })
    store.addFailed(failure('a'))
    expect(store.countFailed()).toBe(0)
    store.addFailed(failure('a', { failure: 'too-large' }))
    expect(store.countFailed()).toBe(1)
  })

  it('knows what became of a replay', () => {
    for (const key of ['a', 'b', 'c', 'd']) store.addFailed(failure(key))
    const replay = store.replayFailed([1, 2, 3])
    expect(store.replayedFailed(replay)).toEqual({ waiting: 3, failed: 0 })
    store.addFailed(failure('a'))
    store.settleFailed([
      { db: 0, key: Buffer.from('b') },
      { db: 1, key: Buffer.from('c') },
    ])
    expect(store.replayedFailed(replay)).toEqual({ waiting: 1, failed: 1 })
    expect(store.countFailed()).toBe(3)
    expect(store.replayFailed([4])).toBeGreaterThan(replay)
  })

  it('after a flip the values of the new authority are wanted', () => {
    store.addFailed(failure('a', { from: 'target' }))
    store.decideFailed()
    expect(store.listFailed(0, 1).items[0]?.from).toBe('authority')
  })

  it('never gives the id of a removed failed key to another', () => {
    store.addFailed(failure('a'))
    store.removeFailed([1])
    store.addFailed(failure('b'))
    expect(store.listFailed(0, 1).items[0]?.id).toBe(2)
  })

  it('keeps the latest events only', () => {
    store.appendEvents(Array.from({ length: eventsKept + 5 }, (_, index) => event(index + 1)))
    expect(store.loadEvents(0, 3).map((entry) => entry.id)).toEqual([6, 7, 8])
    store.appendEvents([event(eventsKept + 6)])
    expect(store.loadEvents(0, 1)[0]?.id).toBe(7)
    expect(store.loadEvents(eventsKept + 5, 10)).toEqual([event(eventsKept + 6)])
    expect(() => store.appendEvents([event(eventsKept + 6)])).toThrow()
  })

  it('keeps checkpoints with 64-bit cursors', () => {
    const checkpoint = { db: 3, cursor: '18446744073709551615', keysScanned: 12, pass: 'copy' }
    expect(store.loadCheckpoint('backfill')).toBeNull()
    store.saveCheckpoint('backfill', checkpoint)
    expect(store.loadCheckpoint('backfill')).toEqual(checkpoint)
    store.clearCheckpoint('backfill')
    expect(store.loadCheckpoint('backfill')).toBeNull()
    expect(() => store.saveCheckpoint('backfill', { ...checkpoint, cursor: '' })).toThrow()
  })
})

describe('the file', () => {
  it('holds everything across a restart', () => {
    let store = openTracked()
    store.saveDocument('phase', 'canary')
    store.saveDirty([dirty(2, binaryKey)])
    store.addFailed(failure('a'))
    store.appendEvents([event(41)])
    store.saveCheckpoint('copy', { db: 0, cursor: '9', keysScanned: 1 })
    store = reopened(store)
    expect(store.loadDocument('phase')).toBe('canary')
    expect([...store.loadDirty()]).toEqual([dirty(2, binaryKey)])
    expect(store.countFailed()).toBe(1)
    expect(store.loadEvents(0, 10)).toEqual([event(41)])
    expect(store.loadCheckpoint('copy')?.cursor).toBe('9')
  })

  it('tells whether the run before it ended cleanly', () => {
    let store = openTracked()
    expect(store.cleanShutdown()).toBe(true)
    store.markRunning()
    expect(store.cleanShutdown()).toBe(true)
    store = reopened(store)
    expect(store.cleanShutdown()).toBe(false)
    store.markRunning()
    store.markClean()
    expect(reopened(store).cleanShutdown()).toBe(true)
  })

  it('is readable by its owner only', () => {
    const store = openTracked()
    store.saveDocument('phase', 'mirror')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600)
  })

  it('is refused when it is open already', () => {
    const store = openTracked()
    const error = refusal(() => openStore(path))
    expect(error.code).toBe('blocked')
    expect(error.message).toContain('ferry is already running on this state file')
    expect(reopened(store).loadDocument('phase')).toBeNull()
  })

  it('of the version before keeps its error queue, of which no scan counts anything', () => {
    const store = openStore(path)
    store.addFailed(failure('a'), 1)
    store.close()
    const older = new DatabaseSync(path)
    older.exec('ALTER TABLE failed DROP COLUMN scans; PRAGMA user_version = 2')
    older.close()
    const now = openStore(path)
    expect(now.countFailed()).toBe(1)
    expect([...now.countedFailed()]).toEqual([])
    now.addFailed(failure('a'), 2)
    expect([...now.countedFailed()]).toEqual([{ db: 0, key: Buffer.from('a'), scans: 2 }])
    expect(now.settleFailed([{ db: 0, key: Buffer.from('a') }])).toBe(2)
    now.close()
  })

  it('is refused when a newer version wrote it, and left as it is', () => {
    openStore(path).close()
    const newer = new DatabaseSync(path)
    newer.exec('PRAGMA user_version = 99')
    newer.close()
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const error = refusal(() => openStore(path))
      expect(error.code).toBe('invalid-config')
      expect(error.message).toContain('newer Ferry (its version is 99')
    }
  })

  it('is refused when it is something else', () => {
    writeFileSync(path, 'certainly no database '.repeat(100))
    expect(refusal(() => openStore(path)).code).toBe('invalid-config')
    const other = join(folder, 'other.db')
    const database = new DatabaseSync(other)
    database.exec('CREATE TABLE song (title TEXT)')
    database.close()
    expect(refusal(() => openStore(other)).message).toContain('another program')
    expect(refusal(() => openStore(join(folder, 'absent', 'state.db'))).message).toContain('cannot be opened')
  })
})

describe('another process', () => {
  async function startWriter(batches: number): Promise<{ child: ChildProcess; committed: () => number }> {
    const child = spawn(process.execPath, [writer, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    let output = ''
    const committed = () => Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1))
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error('the writer ended on its own')))
      child.stdout?.on('data', (chunk: Buffer) => {
        output += chunk.toString('latin1')
        if (committed() >= batches) resolve()
      })
    })
    return { child, committed }
  }

  it('that is killed in the middle of writing leaves all that it committed, in whole batches', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { child, committed } = await startWriter(20 + round * 37)
      expect(refusal(() => openStore(path)).code).toBe('blocked')
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
      const store = openTracked()
      expect(store.cleanShutdown()).toBe(false)
      const batches = store.countDirty() / 10
      expect(Number.isInteger(batches)).toBe(true)
      expect(batches - committed()).toBeOneOf([0, 1])
      expect(Number(store.loadCheckpoint('copy')?.cursor) + 1 - committed()).toBeOneOf([0, 1])
      store.clearDirty()
      open.pop()
      store.close()
    }
  })
})
