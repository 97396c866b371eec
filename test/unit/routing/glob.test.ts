import { describe, expect, it } from 'vitest'
import { compileGlob } from '../../../src/routing/glob.ts'

/** Both as a server got them: bytes. */
const fits = (pattern: string, key: string | Buffer): boolean => compileGlob(pattern).test(Buffer.from(key).toString('latin1'))

describe('fits', () => {
  it.each([
    ['*', ''],
    ['*', 'a\nb\r\n'],
    ['user:*', 'user:1'],
    ['user:*:name', 'user:1:2:name'],
    ['h?llo', 'hello'],
    ['h[ae]llo', 'hallo'],
    ['h[^e]llo', 'hallo'],
    ['h[a-c]llo', 'hbllo'],
    ['h[c-a]llo', 'hbllo'],
    ['h[\\]x]llo', 'h]llo'],
    ['a.b', 'a.b'],
    ['a\\*b', 'a*b'],
    ['größe:*', 'größe:1'],
    ['[abc', 'b'],
    ['$(a|b)', '$(a|b)'],
  ])('%j: %j', (pattern, key) => {
    expect(fits(pattern, key)).toBe(true)
  })

  it('any byte, also one that is no text', () => {
    expect(fits('k?*', Buffer.from([0x6b, 0xff, 0x00, 0x0a]))).toBe(true)
  })
})

describe('does not fit', () => {
  it.each([
    ['user:*', 'xuser:1'],
    ['user', 'user:1'],
    ['h?llo', 'hllo'],
    ['h[^e]llo', 'hello'],
    ['h[a-c]llo', 'hdllo'],
    ['a.b', 'axb'],
    ['a\\*b', 'axb'],
    ['USER:*', 'user:1'],
  ])('%j: %j', (pattern, key) => {
    expect(fits(pattern, key)).toBe(false)
  })
})
