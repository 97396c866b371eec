import { expect, it } from 'vitest'
import { printable } from '../../../src/resp/printable.ts'

it.each([
  ['plain:key', 'plain:key'],
  ['größe:✓:😀', 'größe:✓:😀'],
  ['a\r\n\x00\x7f', 'a\\x0d\\x0a\\x00\\x7f'],
])('shows %j as %s', (bytes, shown) => {
  expect(printable(Buffer.from(bytes))).toBe(shown)
})

it('escapes what is no UTF-8, byte by byte', () => {
  expect(printable(Buffer.from([0xc3, 0x28, 0xff, 0xe2, 0x9c]))).toBe('\\xc3(\\xff\\xe2\\x9c')
})

it('cuts long ones', () => {
  expect(printable(Buffer.alloc(300, 'k'))).toBe(`${'k'.repeat(256)}…`)
  expect(printable(Buffer.from('abc'), 3)).toBe('abc')
})
