import { expect, test } from 'vitest'
import { patternOf } from '../../../src/mover/verify-pattern.ts'

test.each([
  ['user:17:cart', 'user:*:cart'],
  ['user:17:18', 'user:*:*'],
  ['session:8f14e45fceea167a5a36dedd4bea2543', 'session:*'],
  ['order:550e8400-e29b-41d4-a716-446655440000:lines', 'order:*:lines'],
  ['deadbeef', 'deadbeef'],
  ['cafe:facade', 'cafe:facade'],
  ['{tag9}:x', '{tag*}:x'],
  ['plain', 'plain'],
  ['', ''],
])('%s is of the pattern %s', (key, pattern) => {
  expect(patternOf(Buffer.from(key))).toBe(pattern)
})

test('bytes that are no text, and what is long', () => {
  expect(patternOf(Buffer.from([0x61, 0x3a, 0x00, 0xff, 0xfe, 0x3a, 0x62]))).toBe('a:*:b')
  expect(patternOf(Buffer.from('x'.repeat(1_000)))).toBe(`${'x'.repeat(120)}…`)
})
