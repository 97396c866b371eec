import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cut, isOlder, Strand, withStandIns } from '../../../../src/dispatch/typed/stream-stretch.ts'

interface Row {
  readonly id: string
}

const ids = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 12 })), { selector: ([a, b]) => `${a}-${b}` })
  .map((pairs) => pairs.sort(([a, b], [c, d]) => a - c || b - d).map(([a, b]) => `${a}-${b}`))

/** As a server answers: behind `start`, no more than `count`. */
function pageOf(all: readonly string[], start: string, count: number): Row[] {
  const from = start === '-' ? 0 : all.indexOf(start.slice(1)) + 1
  return all.slice(from, from + count).map((id) => ({ id }))
}

describe('a stream in stretches', () => {
  it('is all of it, once, in the order of its ids, and never more than a page of each strand at a time', () => {
    const size = fc.integer({ min: 1, max: 5 })
    fc.assert(
      fc.property(ids, fc.array(ids, { maxLength: 4 }), size, size, (entryIds, groupIds, step, window) => {
        const entries = new Strand<Row>()
        const groups = groupIds.map(() => new Strand<Row>())
        const found: string[] = []
        const claimed = groupIds.map((): string[] => [])
        const standIns: string[] = []
        for (let rounds = 0; ![entries, ...groups].every(({ isDone }) => isDone); rounds++) {
          expect(rounds).toBeLessThan(500)
          if (entries.wants) entries.add(pageOf(entryIds, entries.start, step), step)
          for (const [i, group] of groups.entries())
            if (group.wants) group.add(pageOf(groupIds[i] as string[], group.start, window), window)
          const stretch = cut(entries, groups)
          expect(stretch.entries.length).toBeLessThanOrEqual(step)
          for (const rows of stretch.pending) expect(rows.length).toBeLessThanOrEqual(window)
          const there = withStandIns(stretch.entries, stretch.standIns).map((row) => (typeof row === 'string' ? row : row.id))
          found.push(...there)
          standIns.push(...stretch.standIns)
          // Whatever is claimed is there by then.
          for (const rows of stretch.pending) for (const { id } of rows) expect(there).toContain(id)
          for (const [i, own] of claimed.entries()) own.push(...(stretch.pending[i] as Row[]).map(({ id }) => id))
        }
        expect(claimed).toEqual(groupIds)
        const missing = new Set(groupIds.flat().filter((id) => !entryIds.includes(id)))
        expect(new Set(standIns)).toEqual(missing)
        expect(found).toEqual([...found].sort((a, b) => (isOlder(a, b) ? -1 : 1)))
        expect(new Set(found)).toEqual(new Set([...entryIds, ...missing]))
        expect(found.length).toBe(new Set(found).size)
      }),
    )
  })

  it('tells ids apart by number and not by text', () => {
    expect(isOlder('9-5', '10-0')).toBe(true)
    expect(isOlder('9-10', '9-5')).toBe(false)
    expect(isOlder('18446744073709551614-0', '18446744073709551615-0')).toBe(true)
  })

  it('of an empty one holds only what is pending', () => {
    const [entries, group] = [new Strand<Row>(true), new Strand<Row>()]
    expect(entries.wants).toBe(false)
    group.add([{ id: '3-0' }], 5)
    expect(cut(entries, [group])).toEqual({ entries: [], pending: [[{ id: '3-0' }]], standIns: ['3-0'] })
  })
})
