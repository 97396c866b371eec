import { describe, expect, it } from 'vitest'
import { commandsFor, datasetIndex, datasetKey, kinds } from '../../../src/demo/dataset.ts'

const all = (count: number) => Array.from({ length: count }, (_, index) => datasetKey(index))

describe('the data set', () => {
  it('has every kind in each hundred keys', () => {
    expect(new Set(all(100).map(({ kind }) => kind))).toEqual(new Set(kinds))
  })

  it('gives a third of its keys a time to live, some of them a short one', () => {
    const ttls = all(30_000).map(({ ttl }) => ttl)
    expect(ttls.filter((ttl) => ttl !== 'none').length / ttls.length).toBeCloseTo(1 / 3, 2)
    expect(ttls.filter((ttl) => ttl === 'short').length).toBeGreaterThan(500)
  })

  it('has large keys of several kinds, even when small', () => {
    const large = all(1000).filter((key) => key.large)
    expect(new Set(large.map(({ kind }) => kind))).toContain('hash')
    expect(large.length).toBe(kinds.length)
    const bytes = commandsFor(datasetIndex('string', 0, 0), 0)[0]?.at(-1)
    expect(String(bytes).length).toBe(1 << 20)
  })

  it('is the same every time, up to the moment that its times to live count from', () => {
    for (let index = 100; index < 200; index++) expect(commandsFor(index, 5)).toEqual(commandsFor(index, 5))
    expect(commandsFor(101, 5)).not.toEqual(commandsFor(201, 5))
  })

  it('makes no two kinds share a key', () => {
    const names = all(1000).map(({ name }) => name)
    expect(new Set(names).size).toBe(1000)
  })

  it.each(kinds)('finds keys of kind %s by their rank', (kind) => {
    for (const rank of [0, 3, 77]) {
      for (const offset of [0, 1, 5, 99]) expect(datasetKey(datasetIndex(kind, rank, offset)).kind).toBe(kind)
    }
  })

  it('makes streams with a group and entries that are pending', () => {
    const names = commandsFor(datasetIndex('stream', 1, 0), 0).map(([name]) => name)
    expect(names).toEqual(expect.arrayContaining(['XADD', 'XGROUP', 'XREADGROUP', 'XACK']))
  })
})
