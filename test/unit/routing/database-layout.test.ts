import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type DatabaseFold,
  databaseLayoutOf,
  foldedDb,
  foldPrefix,
  foldPrefixBytes,
  globLiteral,
  isCarried,
  isLeftOut,
} from '../../../src/routing/database-layout.ts'
import { compileGlob } from '../../../src/routing/glob.ts'
import { slotOf } from '../../../src/routing/slot.ts'
import { bytes, holds } from '../../support/property.ts'

const foldOf = (setting: string): DatabaseFold => databaseLayoutOf(setting) as DatabaseFold
const dbOf = (fold: DatabaseFold, key: Buffer): number => foldedDb(fold, key, 0, key.length)

describe('a setting', () => {
  test('same is no layout at all', () => {
    expect(databaseLayoutOf('same')).toBe(null)
  })

  test('a map as text and as an object says the same', () => {
    expect(databaseLayoutOf('0=0, 1=3,2=none')).toEqual(databaseLayoutOf({ '0': 0, '1': 3, '2': 'none' }))
    const map = databaseLayoutOf('0=0,1=3,2=none')
    expect([0, 1, 2, 3].map((db) => isCarried(map, db))).toEqual([true, true, false, false])
    expect([1, 2, 3].map((db) => isLeftOut(map, db))).toEqual([false, true, false])
  })

  test.each([
    ['0=1,2=1', 'another target for each'],
    ['0=1,0=2', 'each database once'],
    ['0=x', 'the number of a database'],
    ['0=none', 'at least one'],
    ['folded', 'expected same, fold'],
    ['', 'expected same, fold'],
    ['fold=db', 'holds {db} once'],
    ['fold={db}{db}:', 'holds {db} once'],
    ['fold={db}', 'text behind it'],
    ['fold={{db}}', 'no other braces'],
    ['fold=1{db}:', 'no digit beside it'],
    ['fold={db}1', 'no digit beside it'],
  ])('%s is refused', (setting, words) => {
    expect(() => databaseLayoutOf(setting)).toThrow(words)
  })
})

describe.each(['fold', 'fold={db}:', 'fold=*[{db}]?', 'fold=-{db}-1'])('the prefix of %s', (setting) => {
  const fold = foldOf(setting)
  const db = fc.integer({ min: 1, max: 1_000_000 })

  test('tells the database of any key, and no other', () => {
    holds(
      fc.property(db, bytes(40), (of, key) => {
        fc.pre(key.length > 0)
        const folded = Buffer.concat([foldPrefix(fold, of), key])
        expect(dbOf(fold, folded)).toBe(of)
        expect(folded.subarray(foldPrefixBytes(fold, of))).toEqual(key)
      }),
    )
  })

  test('as a literal pattern finds its own keys alone', () => {
    holds(
      fc.property(db, db, (of, other) => {
        const pattern = compileGlob(`${globLiteral(foldPrefix(fold, of))}*`)
        expect(pattern.test(`${foldPrefix(fold, of)}k`)).toBe(true)
        expect(pattern.test(`${foldPrefix(fold, other)}k`)).toBe(of === other)
      }),
    )
  })

  test('leaves a key with a tag in its slot', () => {
    holds(
      fc.property(db, fc.string({ minLength: 1 }), (of, word) => {
        const key = Buffer.from(`a{${word.replace(/[{}]/g, '')}x}b`)
        const folded = Buffer.concat([foldPrefix(fold, of), key])
        expect(slotOf(folded, 0, folded.length)).toBe(slotOf(key, 0, key.length))
      }),
    )
  })
})

test.each(['db:', 'db0:x', 'db01:x', 'db1000001:x', 'db12345678:x', 'db3', 'd', '', 'xdb3:k', 'db3;k', 'db-3:k'])(
  '%s is a key of database 0',
  (key) => {
    expect(dbOf(foldOf('fold'), Buffer.from(key))).toBe(0)
  },
)

test('an empty name is a key of its database, too', () => {
  expect(dbOf(foldOf('fold'), Buffer.from('db3:'))).toBe(3)
})
