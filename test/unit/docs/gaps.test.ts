import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', '..', '..')
const acceptedMax = 4

const rows = readFileSync(join(root, 'docs/gaps.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ \|/.test(line))
  .map((line) => line.slice(2, -2).split(' | '))
  .map(([number = '', gap = '', elsewhere = '', state = '', how = '', tests = '', ...rest]) => {
    return { number, gap, texts: [gap, elsewhere, how], state, tests: tests.split('<br>'), rest }
  })

/** Whether a test or a group of tests in this file has a title that begins so. */
function hasTest(file: string, title: string): boolean {
  const source = readFileSync(join(root, file), 'utf8')
  return ["'", '"', '`'].some((quote) => {
    const at = source.indexOf(quote + title)
    return at >= 0 && /\b(?:it|test|describe)\b[^'"`]*$|\)\($|\)\(\s*$/.test(source.slice(Math.max(0, at - 200), at))
  })
}

describe('docs/gaps.md', () => {
  it('has at least the gaps that others have shown, numbered, with all columns', () => {
    expect(rows.length).toBeGreaterThanOrEqual(24)
    expect(rows.map(({ number }) => Number(number))).toEqual(rows.map((_, i) => i + 1))
    for (const { gap, texts, rest } of rows) expect(rest.length === 0 && texts.every((text) => text.length > 10), gap).toBe(true)
  })

  it('knows three states, and accepts few', () => {
    expect(rows.filter(({ state }) => !['resolved', 'mitigated', 'accepted'].includes(state))).toEqual([])
    expect(rows.filter(({ state }) => state === 'accepted').length).toBeLessThanOrEqual(acceptedMax)
  })

  it.each(rows)('$number names tests that are there: $gap', ({ tests }) => {
    for (const named of tests) {
      const [, file = '', title = ''] = /^`(test\/[^`]+\.test\.ts)` › (.+)$/.exec(named) ?? []
      expect(file !== '' && existsSync(join(root, file)), named).toBe(true)
      expect(hasTest(file, title), named).toBe(true)
    }
  })

  it('would notice a test that is not there', () => {
    expect(hasTest('test/unit/docs/gaps.test.ts', 'would notice a test that is not there')).toBe(true)
    expect(hasTest('test/unit/docs/gaps.test.ts', 'would notice a test that was renamed')).toBe(false)
  })
})
