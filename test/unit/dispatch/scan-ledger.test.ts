import { afterEach, beforeEach, expect, it } from 'vitest'
import { Journal } from '../../../src/dispatch/journal.ts'
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
  journal.countFrom({ copied: 5, vanished: 1 })
  expect(journal.ledger.counts()).toEqual({ scanned: 7, copied: 5, skipped: 0, vanished: 1, exported: 0, waiting: 1 })
  journal.countFrom(null)
  for (const entry of journal.take(10, 0)) journal.healed(entry, entry.generation)
  expect(journal.ledger.counts()).toEqual({ scanned: 0, copied: 0, skipped: 0, vanished: 0, exported: 0, waiting: 0 })
})
