import { expect, test } from 'vitest'
import { bar, bytes, count, duration, LiveBlock, table } from '../../../src/cli/output.ts'

test('numbers', () => {
  expect([count(0), count(1234567.6)]).toEqual(['0', '1,234,568'])
  expect([0, 999, 1000, 1_500_000, 1e15, 1e19].map(bytes)).toEqual(['0 B', '999 B', '1.0 kB', '1.5 MB', '1.0 PB', '10000.0 PB'])
  expect([0, 59.4, 60, 3599, 3600, 90_000].map(duration)).toEqual([
    '0 s',
    '59 s',
    '1 min 0 s',
    '59 min 59 s',
    '1 h 0 min',
    '25 h 0 min',
  ])
})

test('a bar stays as wide as it is told', () => {
  expect([-1, 0, 0.5, 1, 7].map((share) => bar(share, 4))).toEqual(['[----]', '[----]', '[##--]', '[####]', '[####]'])
})

test('columns line up, and no line ends in blanks', () => {
  expect(
    table([
      ['id', 'key'],
      ['10', 'a'],
      ['1', 'long'],
    ]),
  ).toBe('id  key\n10  a\n1   long')
})

test('a block is drawn over itself, counting lines that wrap', () => {
  let text = ''
  const block = new LiveBlock({ columns: 10, write: (piece) => (text += piece) })
  block.draw('short\nlonger than ten')
  text = ''
  block.draw('short')
  expect(text).toBe('\x1b[3F\x1b[Jshort\n')
  text = ''
  block.clear()
  block.clear()
  expect(text).toBe('\x1b[1F\x1b[J')
})
