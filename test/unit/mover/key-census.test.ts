import { describe, expect, it } from 'vitest'
import { sameCounts } from '../../../src/mover/key-census.ts'

const counts = (rows: Record<number, [keys: number, expiring: number]>): Map<number, { keys: number; expiring: number }> =>
  new Map(Object.entries(rows).map(([db, [keys, expiring]]) => [Number(db), { keys, expiring }]))

describe('a census', () => {
  it('proves that nothing is over where both sides have as many keys in each database', () => {
    expect(sameCounts(counts({ 0: [10, 0], 3: [2, 0] }), counts({ 0: [10, 0], 3: [2, 0] }))).toBe(true)
    expect(sameCounts(counts({}), counts({}))).toBe(true)
  })

  it('proves nothing where a number differs, or a database is on one side only', () => {
    expect(sameCounts(counts({ 0: [10, 0] }), counts({ 0: [11, 0] }))).toBe(false)
    expect(sameCounts(counts({ 0: [10, 0] }), counts({ 0: [10, 0], 1: [1, 0] }))).toBe(false)
    expect(sameCounts(counts({ 0: [10, 0] }), counts({ 1: [10, 0] }))).toBe(false)
  })

  it('proves nothing where keys may expire: a server counts them until it removes them', () => {
    expect(sameCounts(counts({ 0: [10, 1] }), counts({ 0: [10, 1] }))).toBe(false)
    expect(sameCounts(counts({ 0: [10, 0] }), counts({ 0: [10, 1] }))).toBe(false)
  })
})
