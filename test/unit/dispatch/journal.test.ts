import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DirtyEntry, Journal, settlingKeysMax } from '../../../src/dispatch/journal.ts'
import { OrderBoard, Stripe } from '../../../src/dispatch/order-board.ts'
import { stripeOf } from '../../../src/routing/stripe.ts'
import { openStore, type Store } from '../../../src/state/store.ts'

const binaryKey = Buffer.from([0, 255, 13, 10, 128])
const key = (name: string): Buffer => Buffer.from(name)
const names = (entries: readonly DirtyEntry[]): string[] => entries.map((entry) => entry.key.toString('latin1'))

let folder: string
let store: Store
let board: OrderBoard
let journal: Journal

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-journal-'))
  start()
})
afterEach(() => {
  store.close()
  rmSync(folder, { recursive: true, force: true })
})

function start(keysMax = 1_000): void {
  store = openStore(join(folder, 'state.db'))
  board = new OrderBoard()
  journal = new Journal(board, store, keysMax)
}

/** Saves and starts over, as a clean restart does. */
function restart(keysMax?: number): void {
  journal.save()
  store.close()
  start(keysMax)
}

const isDirty = (name: string | Buffer, db = 0): boolean => {
  const bytes = Buffer.from(name as string)
  return ((board.flags[stripeOf(bytes, 0, bytes.length, db)] as number) & Stripe.dirty) !== 0
}

describe('a mark', () => {
  it('is known by key and database, with the side that has the truth', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.mark(3, key('a'), 'target', 'timeout')
    expect(journal.truthOf(0, key('a'))).toBe('source')
    expect(journal.truthOf(3, key('a'))).toBe('target')
    expect(journal.truthOf(1, key('a'))).toBeNull()
    expect([journal.size, journal.marks, journal.from]).toEqual([2, 2, { source: 1, target: 1 }])
    expect([isDirty('a'), isDirty('a', 3), isDirty('a', 1)]).toEqual([true, true, false])
  })

  it('keeps a copy of the key: the caller’s buffer belongs to a chunk', () => {
    const chunk = key('abc')
    journal.mark(0, chunk, 'source', 'timeout')
    chunk.fill('x')
    expect(names(journal.take(1, 0))).toEqual(['abc'])
  })

  it('of a known key counts once, and the newer side is the truth', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.mark(0, key('a'), 'target', 'refused')
    expect([journal.size, journal.marks, journal.from]).toEqual([1, 2, { source: 0, target: 1 }])
    expect(journal.truthOf(0, key('a'))).toBe('target')
    const entry = journal.take(1, 0)[0] as DirtyEntry
    journal.drop(entry)
    expect([isDirty('a'), journal.from]).toEqual([false, { source: 0, target: 0 }])
  })

  it('beyond the limit asks for a whole copy instead of growing', () => {
    journal = new Journal(board, store, 2)
    for (const name of ['a', 'b']) journal.mark(0, key(name), 'source', 'timeout')
    expect(journal.resyncReason).toBeNull()
    journal.mark(0, key('a'), 'source', 'again')
    expect(journal.resyncReason).toBeNull()
    journal.mark(0, key('c'), 'source', 'timeout')
    expect(journal.size).toBe(2)
    expect(journal.resyncReason).toMatch(/limit of 2 keys/)
  })
})

describe('healing', () => {
  it('settles a key that was not marked meanwhile', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    const [entry] = journal.take(10, 0) as [DirtyEntry]
    expect(journal.healed(entry, entry.generation)).toBe(true)
    expect([journal.size, isDirty('a'), journal.truthOf(0, key('a'))]).toEqual([0, false, null])
  })

  it('does not settle a key that was marked after it was read, and takes it again', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    const [entry] = journal.take(10, 0) as [DirtyEntry]
    const readAt = entry.generation
    journal.mark(0, key('a'), 'target', 'newer')
    expect(journal.healed(entry, readAt)).toBe(false)
    expect([journal.size, isDirty('a')]).toEqual([1, true])
    expect(journal.take(10, 0)).toEqual([entry])
    expect(journal.healed(entry, entry.generation)).toBe(true)
  })

  it('what is written behind its copy joins it, and is in doubt only if that fails', () => {
    const write = [key('a'), key('b')].map((name) => ({ db: 0, key: name }))
    journal.mark(0, key('a'), 'source', 'timeout')
    expect(journal.joinsSettling(write, 'source')).toBe(false)
    journal.beginSettling(0, key('a'), 'target')
    expect(journal.joinsSettling(write, 'source')).toBe(false)
    journal.beginSettling(0, key('a'), 'source')
    journal.beginSettling(0, key('b'), 'source')
    expect(journal.joinsSettling(write, 'source')).toBe(true)
    expect(journal.joinsSettling(write, 'target')).toBe(false)
    // One that is dirty and not copied spoils it for all.
    journal.mark(0, key('c'), 'source', 'timeout')
    expect(journal.joinsSettling([...write, { db: 0, key: key('c') }], 'source')).toBe(false)
    expect(journal.endSettling(0, key('a')).map((joined) => joined.key.toString())).toEqual(['a', 'b'])
    expect(journal.endSettling(0, key('a'))).toEqual([])
    expect(journal.joinsSettling(write, 'source')).toBe(false)
  })

  it('no more keys join a copy than the limit', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.beginSettling(0, key('a'), 'source')
    const write = Array.from({ length: 100 }, () => ({ db: 0, key: key('a') }))
    let joined = 0
    while (journal.joinsSettling(write, 'source')) joined += write.length
    expect(joined).toBe(settlingKeysMax)
    expect(journal.endSettling(0, key('a'))).toHaveLength(settlingKeysMax)
  })

  it('does not hand out a key twice', () => {
    for (const name of ['a', 'b', 'c']) journal.mark(0, key(name), 'source', 'timeout')
    expect(names(journal.take(2, 0))).toEqual(['a', 'b'])
    expect(names(journal.take(2, 0))).toEqual(['c'])
    expect(journal.take(2, 0)).toEqual([])
  })

  it('takes keys of one database and one direction at a time', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.mark(1, key('b'), 'source', 'timeout')
    journal.mark(0, key('c'), 'target', 'timeout')
    journal.mark(0, key('d'), 'source', 'timeout')
    expect(names(journal.take(10, 0))).toEqual(['a', 'd'])
    expect(names(journal.take(10, 0))).toEqual(['b'])
    expect(names(journal.take(10, 0))).toEqual(['c'])
  })

  it('puts a failure off for longer and longer, up to a limit, and lets others go first', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.mark(0, key('b'), 'source', 'timeout')
    let nowMs = 1_000
    const waits: number[] = []
    for (let attempt = 0; attempt < 14; attempt++) {
      const entry = journal.take(10, nowMs).find((taken) => taken.key.equals(key('a'))) as DirtyEntry
      journal.postpone(entry, nowMs)
      waits.push(entry.notBeforeMs - nowMs)
      expect(journal.take(10, entry.notBeforeMs - 1).map((taken) => taken.key.toString())).not.toContain('a')
      nowMs = entry.notBeforeMs
    }
    expect(waits.slice(0, 4)).toEqual([20, 40, 80, 160])
    expect(waits.at(-1)).toBe(5_000)
    expect(waits.toSorted((a, b) => a - b)).toEqual(waits)
  })

  it('does not make a key wait longer for what a flip tried in vain', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    for (let attempt = 0; attempt < 100; attempt++) {
      const [entry] = journal.take(1, Number.POSITIVE_INFINITY) as [DirtyEntry]
      journal.giveBack(entry)
    }
    const [entry] = journal.take(1, 0) as [DirtyEntry]
    journal.postpone(entry, 0)
    expect(entry.notBeforeMs).toBe(20)
  })

  it('finds a key that is due behind many that are not', () => {
    for (let n = 0; n < 500; n++) journal.mark(0, key(`late-${n}`), 'source', 'timeout')
    for (const entry of journal.take(500, 0)) journal.postpone(entry, 0)
    journal.mark(0, key('due'), 'source', 'timeout')
    expect(names(journal.take(10, 0))).toEqual(['due'])
    expect(journal.take(1_000, 20)).toHaveLength(500)
  })
})

describe('clear', () => {
  it('forgets all keys and the wish for a whole copy', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.resync('the follower was away')
    journal.clear()
    expect([journal.size, journal.resyncReason, isDirty('a'), journal.from]).toEqual([0, null, false, { source: 0, target: 0 }])
  })

  it('holds against a heal that was under way and then fails', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    const [entry] = journal.take(1, 0) as [DirtyEntry]
    journal.clear()
    journal.postpone(entry, 0)
    expect([journal.size, journal.from, journal.truthOf(0, key('a'))]).toEqual([0, { source: 0, target: 0 }, null])
  })

  it('does not let an older heal settle a mark made after it', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    const [entry] = journal.take(1, 0) as [DirtyEntry]
    journal.clear()
    journal.mark(0, key('a'), 'target', 'newer')
    journal.healed(entry, entry.generation)
    expect(journal.truthOf(0, key('a'))).toBe('target')
    expect([journal.size, isDirty('a'), journal.from]).toEqual([1, true, { source: 0, target: 1 }])
  })
})

describe('resync', () => {
  it('keeps its first reason', () => {
    journal.resync('first')
    journal.resync('second')
    expect(journal.resyncReason).toBe('first')
  })
})

describe('a restart', () => {
  it('finds every key with its database, side and reason, and its stripe dirty', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.mark(5, binaryKey, 'target', 'refused')
    restart()
    expect([journal.size, journal.from]).toEqual([2, { source: 1, target: 1 }])
    expect([isDirty('a'), isDirty(binaryKey, 5)]).toEqual([true, true])
    const [a] = journal.take(1, 0) as [DirtyEntry]
    expect(a).toMatchObject({ db: 0, from: 'source', reason: 'timeout' })
    expect(journal.take(1, 0)).toMatchObject([{ db: 5, key: binaryKey, from: 'target', reason: 'refused' }])
  })

  it('does not bring back what was healed', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.mark(0, key('b'), 'source', 'timeout')
    journal.save()
    const [a] = journal.take(1, 0) as [DirtyEntry]
    journal.healed(a, a.generation)
    restart()
    expect(names(journal.take(10, 0))).toEqual(['b'])
  })

  it('knows a key that was healed and marked again between two saves', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.save()
    const [a] = journal.take(1, 0) as [DirtyEntry]
    journal.healed(a, a.generation)
    journal.mark(0, key('a'), 'target', 'newer')
    restart()
    expect(journal.truthOf(0, key('a'))).toBe('target')
  })

  it('knows that the truth of a saved key changed sides: the old one would overwrite it', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.save()
    journal.mark(0, key('a'), 'target', 'after the cut-over')
    restart()
    expect(journal.truthOf(0, key('a'))).toBe('target')
  })

  it('with a smaller limit asks for a whole copy', () => {
    for (const name of ['a', 'b', 'c']) journal.mark(0, key(name), 'source', 'timeout')
    restart(2)
    expect(journal.resyncReason).not.toBeNull()
  })

  it('save writes only what changed', () => {
    journal.mark(0, key('a'), 'source', 'timeout')
    journal.save()
    expect(store.countDirty()).toBe(1)
    store.clearDirty()
    journal.save()
    expect(store.countDirty()).toBe(0)
  })
})
