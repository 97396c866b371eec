import { describe, expect, it } from 'vitest'
import { decodeAll, decodeReply, isReplyError, type Reply } from '../../../src/resp/decode.ts'

const text = (value: Reply): unknown => {
  if (Buffer.isBuffer(value)) return value.toString('latin1')
  return Array.isArray(value) ? value.map(text) : value
}

describe('a reply as a value', () => {
  it.each<[string, unknown]>([
    ['+OK\r\n', 'OK'],
    ['+\r\n', ''],
    ['-ERR something went wrong\r\n', { error: 'ERR something went wrong' }],
    [':42\r\n', 42],
    [':-42\r\n', -42],
    [':9007199254740991\r\n', Number.MAX_SAFE_INTEGER],
    [':9223372036854775807\r\n', 9223372036854775807n],
    [':-9223372036854775808\r\n', -9223372036854775808n],
    ['$3\r\nabc\r\n', 'abc'],
    ['$0\r\n\r\n', ''],
    ['$4\r\n\r\n\r\n\r\n', '\r\n\r\n'],
    ['$2\r\n\x00\xff\r\n', '\x00\xff'],
    ['$-1\r\n', null],
    ['*-1\r\n', null],
    ['*0\r\n', []],
    ['*3\r\n:1\r\n*1\r\n$1\r\na\r\n$-1\r\n', [1, ['a'], null]],
    ['*2\r\n-ERR a\r\n+b\r\n', [{ error: 'ERR a' }, 'b']],
    ['_\r\n', null],
    ['#t\r\n', true],
    ['#f\r\n', false],
    [',3.1400000000000001\r\n', '3.1400000000000001'],
    [',inf\r\n', 'inf'],
    ['(12345678901234567890123\r\n', '12345678901234567890123'],
    ['!5\r\nERR a\r\n', { error: 'ERR a' }],
    ['=8\r\ntxt:abcd\r\n', 'abcd'],
    ['%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n', ['a', 1, 'b', 2]],
    ['~2\r\n+a\r\n+b\r\n', ['a', 'b']],
    ['>2\r\n+a\r\n+b\r\n', ['a', 'b']],
    ['|1\r\n+ttl\r\n:1\r\n+OK\r\n', 'OK'],
    ['*2\r\n|1\r\n+ttl\r\n:1\r\n+a\r\n+b\r\n', ['a', 'b']],
  ])('%j', (wire, value) => {
    const bytes = Buffer.from(wire, 'latin1')
    const decoded = decodeReply(bytes)
    expect(text(decoded.value)).toEqual(value)
    expect(decoded.next).toBe(bytes.length)
  })

  it('can lie anywhere in a buffer, and says where the next one begins', () => {
    const bytes = Buffer.from('+skipped\r\n$1\r\na\r\n:7\r\n')
    expect(decodeReply(bytes, 10)).toEqual({ value: Buffer.from('a'), next: 17 })
    expect(decodeReply(bytes, 17)).toEqual({ value: 7, next: 21 })
  })

  it('decodeAll gives every one', () => {
    expect(decodeAll(Buffer.from('+a\r\n*1\r\n:1\r\n$-1\r\n-E\r\n')).map(text)).toEqual(['a', [1], null, { error: 'E' }])
    expect(decodeAll(Buffer.alloc(0))).toEqual([])
  })

  it('strings are slices of what was given', () => {
    const bytes = Buffer.from('$3\r\nabc\r\n')
    expect((decodeReply(bytes).value as Buffer).buffer).toBe(bytes.buffer)
  })

  it('one that is not whole is an error, not a wrong value', () => {
    for (const wire of ['', '+OK', '$5\r\nabc', '*2\r\n:1\r\n', '*1\r\n$3\r\nab']) {
      expect(() => decodeReply(Buffer.from(wire)), wire).toThrow('not whole')
    }
  })

  it('errors are told from everything else', () => {
    expect(isReplyError({ error: 'ERR' })).toBe(true)
    for (const value of [undefined, null, 0, false, 'x', [], Buffer.from('-ERR')])
      expect(isReplyError(value as Reply)).toBe(false)
  })
})
