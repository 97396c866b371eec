import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DirtyEntry, Journal } from '../../../src/dispatch/journal.ts'
import { OrderBoard } from '../../../src/dispatch/order-board.ts'
import { openStore, type Store } from '../../../src/state/store.ts'

let store: Store
let journal: Journal
const [a, b] = [Buffer.from('a'), Buffer.from('b')]

beforeEach(() => {
  store = openStore(':memory:')
  journal = new Journal(new OrderBoard(), store, 2)
})
afterEach(() => store.close())

function owe(key: Buffer): void {
  journal.mark(0, key, 'source', 'test')
  journal.owe(0, key)
}

it('counts a key where it ends, as often as the scan came by it', () => {
  journal.countFrom(null)
  journal.ledger.found(4)
  journal.ledger.ended('copied', 1)
  owe(a)
  owe(a)
  owe(b)
  expect(journal.ledger.counts()).toMatchObject({ scanned: 4, copied: 1, waiting: 3 })
  for (const entry of journal.take(10, 0)) {
    if (entry.key.equals(b)) journal.drop(entry, 'exported')
    else expect(journal.healed(entry, entry.generation)).toBe(true)
  }
  expect(journal.ledger.counts()).toEqual({ scanned: 4, copied: 3, skipped: 0, vanished: 0, exported: 1, waiting: 0 })
})

it('shows a key that was dropped on the way', () => {
  journal.countFrom(null)
  journal.ledger.found(3)
  // The third finds the journal full.
  for (const key of [a, b, Buffer.from('c')]) owe(key)
  journal.overflowed = () => undefined
  for (const entry of journal.take(10, 0)) journal.healed(entry, entry.generation)
  expect(journal.ledger.counts()).toMatchObject({ scanned: 3, copied: 2, waiting: 1 })
})

it('goes on from what an earlier run had ended and left in the journal; a new one begins with nothing', () => {
  owe(a)
  journal.countFrom({ copied: 5, skipped: 0, vanished: 1, exported: 0 })
  expect(journal.ledger.counts()).toEqual({ scanned: 7, copied: 5, skipped: 0, vanished: 1, exported: 0, waiting: 1 })
  journal.countFrom(null)
  for (const entry of journal.take(10, 0)) journal.healed(entry, entry.generation)
  expect(journal.ledger.counts()).toEqual({ scanned: 0, copied: 0, skipped: 0, vanished: 0, exported: 0, waiting: 0 })
})

const counted = (): object => journal.ledger.counts()
const nothing = { copied: 0, skipped: 0, vanished: 0, exported: 0 }

/** As the healing gives a key up. */
function exportKey(key: Buffer): void {
  const entry = journal.takeKey(0, key) as DirtyEntry
  const story = { type: null, sizeBytes: null, ttlMs: null, attempts: 1, saidBy: null, payload: null, firstAt: 1, lastAt: 1 }
  const failed = { ...story, db: 0, key, failure: 'unknown', from: 'authority', error: 'no' } as const
  store.addFailed(failed, journal.drop(entry, 'exported'))
}

/** As a replay does, which goes well. */
function replay(key: Buffer, end: 'copied' | 'vanished' = 'copied'): void {
  journal.mark(0, key, 'source', 'again')
  const entry = journal.takeKey(0, key) as DirtyEntry
  expect(journal.healed(entry, entry.generation, end)).toBe(true)
  journal.settle([entry], end)
}

/** The process dies, and another takes over its state. */
function restart(): void {
  journal.save()
  journal = new Journal(new OrderBoard(), store, 2)
}

it('what leaves the error queue is exported no more', () => {
  journal.countFrom(null)
  journal.ledger.found(3)
  owe(a)
  owe(a)
  owe(b)
  exportKey(a)
  exportKey(b)
  expect(counted()).toEqual({ ...nothing, scanned: 3, exported: 3, waiting: 0 })
  journal.mark(0, a, 'source', 'again')
  exportKey(a)
  expect(counted()).toEqual({ ...nothing, scanned: 3, exported: 3, waiting: 0 })
  replay(a)
  replay(b, 'vanished')
  expect(counted()).toEqual({ ...nothing, scanned: 3, copied: 2, vanished: 1, waiting: 0 })
  // It was in the queue no more, or never.
  replay(a)
  expect(counted()).toMatchObject({ scanned: 3, copied: 2 })
})

it('what was exported before the scan, or by nobody who scanned it, is not counted', () => {
  journal.countFrom(null)
  journal.ledger.found(1)
  owe(a)
  exportKey(a)
  journal.countFrom(null)
  journal.mark(0, b, 'source', 'written by a client')
  exportKey(b)
  replay(a)
  replay(b)
  expect(counted()).toEqual({ ...nothing, scanned: 0, waiting: 0 })
})

it('a process that scans nothing counts nothing of what an earlier one exported', () => {
  journal.countFrom(null)
  journal.ledger.found(1)
  owe(a)
  exportKey(a)
  restart()
  replay(a)
  expect(counted()).toEqual({ ...nothing, scanned: 0, waiting: 0 })
  journal.countFrom(null)
  expect(counted()).toEqual({ ...nothing, scanned: 0, waiting: 0 })
})

it('one that goes on counts each key of the queue once: still there, under way again, or settled before it went on', () => {
  const c = Buffer.from('c')
  journal.countFrom(null)
  journal.ledger.found(4)
  journal.ledger.ended('copied', 1)
  for (const key of [a, b, c]) {
    owe(key)
    exportKey(key)
  }
  const { copied, skipped, vanished } = journal.ledger.counts()
  restart()
  replay(c)
  journal.mark(0, b, 'source', 'again')
  // The checkpoint was saved before any of them was exported.
  journal.countFrom({ copied, skipped, vanished, exported: 0 })
  expect(counted()).toEqual({ ...nothing, scanned: 4, copied: 2, exported: 2, waiting: 0 })
  replay(b)
  replay(a)
  expect(counted()).toEqual({ ...nothing, scanned: 4, copied: 4, waiting: 0 })
})
