import { describe, expect, it } from 'vitest'
import { copyRulesSchema } from '../../../src/config/copy-rules-schema.ts'
import { isPlain, whatLeavesDifferences } from '../../../src/routing/copy-rules.ts'
import { KeyFilter } from '../../../src/routing/key-filter.ts'

const rulesOf = (given: object) => copyRulesSchema.parse(given)
const filterOf = (filter: object): KeyFilter => new KeyFilter(rulesOf({ filter }).filter)
const facts = { type: 'hash', sizeBytes: 100, ttlMs: -1 }

describe('names', () => {
  it.each([
    [{}, 0, 'a', null],
    [{ include: ['user:*', 'x'] }, 0, 'user:1', null],
    [{ include: ['user:*', 'x'] }, 0, 'xx', 'pattern'],
    [{ exclude: ['tmp:*'] }, 0, 'tmp:1', 'pattern'],
    [{ include: ['*'], exclude: ['tmp:*'] }, 0, 'tmp:1', 'pattern'],
    [{ include: ['*'], exclude: ['tmp:*'] }, 0, 'other', null],
    [{ databases: [0, 2] }, 2, 'a', null],
    [{ databases: [0, 2], include: ['b'] }, 1, 'a', 'database'],
  ])('%j: database %i, %s: %s', (filter, db, key, reason) => {
    expect(filterOf(filter).byName(db, Buffer.from(key))).toBe(reason)
  })

  it('are bytes', () => {
    expect(filterOf({ include: ['k?'] }).byName(0, Buffer.from([0x6b, 0xff]))).toBeNull()
    expect(filterOf({ include: ['ü*'] }).byName(0, Buffer.from('üb'))).toBeNull()
  })
})

describe('what the server says', () => {
  it.each([
    [{ types: ['hash', 'list'] }, {}, null],
    [{ types: ['list'] }, {}, 'type'],
    [{ sizeBytesMin: 100, sizeBytesMax: 100 }, {}, null],
    [{ sizeBytesMin: 101 }, {}, 'size'],
    [{ sizeBytesMax: 99 }, {}, 'size'],
    [{ ttlMsMin: 10 }, {}, null],
    [{ ttlMsMin: 10 }, { ttlMs: 9 }, 'ttl'],
    [{ ttlMsMax: 10 }, { ttlMs: 11 }, 'ttl'],
    [{ ttlMsMin: 10, ttlMsMax: 10 }, { ttlMs: 10 }, null],
    [{ expiry: 'with' }, {}, 'ttl'],
    [{ expiry: 'with' }, { ttlMs: 0 }, null],
    [{ expiry: 'without' }, { ttlMs: 5 }, 'ttl'],
    [{ expiry: 'without' }, {}, null],
  ])('%j of %j: %s', (filter, more, reason) => {
    expect(filterOf(filter).byFacts({ ...facts, ...more })).toBe(reason)
  })

  it('is asked for only where it matters', () => {
    expect(filterOf({ include: ['a'], databases: [1] }).asksFacts).toBe(false)
    expect(filterOf({ types: ['hash'] }).asks).toEqual({ type: true, sizeBytes: false, ttlMs: false })
    expect(filterOf({ sizeBytesMax: 1 }).asks).toEqual({ type: false, sizeBytes: true, ttlMs: false })
    expect(filterOf({ expiry: 'with' }).asks).toEqual({ type: false, sizeBytes: false, ttlMs: true })
  })
})

it.each([
  [{}, null],
  [{ onConflict: 'replace' }, null],
  [{ merge: { strings: 'source' } }, null],
  [{ onConflict: 'skip' }, 'onConflict: skip'],
  [{ onConflict: 'merge' }, 'onConflict: merge'],
  [{ rename: [{ from: 'a', to: 'b' }] }, 'rename'],
  [{ filter: { include: ['a'] } }, 'filter'],
  [{ filter: { expiry: 'with' } }, 'filter'],
  [{ filter: { ttlMsMax: 1 } }, 'filter'],
  [{ filter: { sizeBytesMin: 1 } }, 'filter'],
  [{ filter: { databases: [0] } }, 'filter'],
])('%j: what leaves differences is %s', (given, what) => {
  expect(whatLeavesDifferences(rulesOf(given))).toBe(what)
  expect(isPlain(rulesOf(given))).toBe(what === null)
})
