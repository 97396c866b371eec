import { describe, expect, it } from 'vitest'
import { median } from '../../bench/proxies.ts'
import { routeTable, table } from '../../bench/table.ts'

describe('the tables', () => {
  it('keep the columns under each other', () => {
    const text = table(
      ['a', 'long name'],
      [
        ['first', '1'],
        ['x', '1,000'],
      ],
    )
    expect(text.split('\n')).toEqual(['a      long name', '-----  ---------', 'first          1', 'x          1,000'])
  })

  it('show the share of twemproxy only where both were measured', () => {
    const measured = { command: 'SET', pipeline: 1, commandsPerSecond: 1000, p50Us: 1, p99Us: 2 } as const
    const rows = routeTable([
      { route: 'direct', ...measured, cpuUsPerCommand: null },
      { route: 'ferry to both sides', ...measured, cpuUsPerCommand: 5 },
      { route: 'twemproxy', ...measured, cpuUsPerCommand: 10 },
    ]).split('\n')
    expect(rows[2]).toMatch(/-\s+-$/)
    expect(rows[3]).toMatch(/5\.00\s+0\.50$/)
    expect(rows[4]).toMatch(/10\.00\s+1\.00$/)
  })
})

describe('median', () => {
  it('is the middle one, or the lower of the two', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2)
  })
})
