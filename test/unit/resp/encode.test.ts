import { describe, expect, it } from 'vitest'
import { encodeBulk, encodeCommand, encodeError, encodeInteger, encodeMap, replies } from '../../../src/resp/encode.ts'
import { scanReplies } from '../../support/scan-replies.ts'

describe('encodeCommand', () => {
  it.each<[string, (string | number | Buffer)[], string]>([
    ['strings', ['GET', 'a'], '*2\r\n$3\r\nGET\r\n$1\r\na\r\n'],
    ['an empty string', ['SET', '', ''], '*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n'],
    ['numbers', ['A', 0, -1, 1.5], '*4\r\n$1\r\nA\r\n$1\r\n0\r\n$2\r\n-1\r\n$3\r\n1.5\r\n'],
    ['the longest numbers', [-Number.MAX_VALUE, Number.MIN_VALUE], '*2\r\n$24\r\n-1.7976931348623157e+308\r\n$6\r\n5e-324\r\n'],
    ['UTF-8, measured in bytes', ['é€😀'], '*1\r\n$9\r\né€😀\r\n'],
    ['buffers', [Buffer.from('\r\n')], '*1\r\n$2\r\n\r\n\r\n'],
  ])('%s', (_, argv, wire) => expect(encodeCommand(argv).toString()).toBe(wire))

  it('has room for many arguments of every length', () => {
    const argv = Array.from({ length: 2_000 }, (_, i) => Buffer.alloc(i))
    const bytes = encodeCommand(argv)
    expect(bytes.length).toBe(7 + argv.reduce((sum, arg) => sum + `$${arg.length}\r\n`.length + arg.length + 2, 0))
  })
})

describe('replies of our own', () => {
  it('are each one whole reply', () => {
    const own = [...Object.values(replies), encodeInteger(-5), encodeBulk('é'), encodeBulk(Buffer.alloc(0)), encodeError('ERR x')]
    expect(scanReplies([Buffer.concat(own)]).replies.map(({ bytes }) => bytes)).toEqual(own)
  })

  it('an error cannot break out of its line', () => {
    expect(encodeError('ERR a\r\n+OK\r\n\nb').toString()).toBe('-ERR a +OK b\r\n')
  })

  it('a map is flat for RESP2', () => {
    const pairs = [encodeBulk('a'), encodeInteger(1), encodeBulk('b'), encodeInteger(2)]
    expect(encodeMap(pairs, 3).toString()).toBe('%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n')
    expect(encodeMap(pairs, 2).toString()).toBe('*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n')
    expect(encodeMap([], 3).toString()).toBe('%0\r\n')
  })
})
