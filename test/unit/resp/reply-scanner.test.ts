import { describe, expect, it } from 'vitest'
import { ReplyKind, ReplyProblem, ReplyScanner } from '../../../src/resp/reply-scanner.ts'
import { scanReplies } from '../../support/scan-replies.ts'
import { cutAt, runsOf } from '../../support/splits.ts'

const blob = 'x'.repeat(70_000)
const nested = (depth: number, open: string, leaf: string): string => open.repeat(depth) + leaf

const single: [name: string, reply: string][] = [
  ['a simple string', '+OK\r\n'],
  ['an empty simple string', '+\r\n'],
  ['an error', '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'],
  ['an integer', ':1000\r\n'],
  ['a negative integer', ':-1\r\n'],
  ['a bulk string', '$5\r\nhello\r\n'],
  ['an empty bulk string', '$0\r\n\r\n'],
  ['a bulk string of line breaks and markers', '$12\r\n\r\n+OK\r\n$-1\r\n\r\n'],
  ['a large bulk string', `$${blob.length}\r\n${blob}\r\n`],
  ['a null bulk string', '$-1\r\n'],
  ['an array', '*2\r\n$1\r\na\r\n:1\r\n'],
  ['an empty array', '*0\r\n'],
  ['a null array', '*-1\r\n'],
  ['nested arrays', '*3\r\n*1\r\n*0\r\n*-1\r\n*2\r\n+a\r\n*1\r\n$-1\r\n'],
  ['an array of errors', '*2\r\n-ERR a\r\n-ERR b\r\n'],
  ['a large bulk string in an array', `*3\r\n:1\r\n$${blob.length}\r\n${blob}\r\n:2\r\n`],
  ['RESP3: null', '_\r\n'],
  ['RESP3: true', '#t\r\n'],
  ['RESP3: false', '#f\r\n'],
  ['RESP3: double', ',3.14\r\n'],
  ['RESP3: infinity', ',-inf\r\n'],
  ['RESP3: big number', '(3492890328409238509324850943850943825024385\r\n'],
  ['RESP3: negative big number', '(-3492890328409238509324850943850943825024385\r\n'],
  ['RESP3: blob error', '!21\r\nSYNTAX invalid syntax\r\n'],
  ['RESP3: verbatim string', '=15\r\ntxt:Some string\r\n'],
  ['RESP3: map', '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n'],
  ['RESP3: empty map', '%0\r\n'],
  ['RESP3: set', '~3\r\n+a\r\n#t\r\n_\r\n'],
  ['RESP3: empty set', '~0\r\n'],
  ['RESP3: push', '>2\r\n+invalidate\r\n*1\r\n+a\r\n'],
  ['RESP3: map in a map', '%1\r\n%1\r\n+a\r\n+b\r\n%1\r\n+c\r\n~1\r\n,1\r\n'],
  ['RESP3: attribute before a simple string', '|1\r\n+ttl\r\n:3600\r\n+OK\r\n'],
  ['RESP3: attribute before an array', '|1\r\n+key-popularity\r\n%1\r\n$1\r\na\r\n,0.19\r\n*2\r\n:1\r\n:2\r\n'],
  ['RESP3: attribute inside an array', '*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n'],
  ['RESP3: attribute on the last element', '*1\r\n|1\r\n+a\r\n+b\r\n*0\r\n'],
  ['RESP3: attribute on an attribute', '|1\r\n|1\r\n+a\r\n+b\r\n+c\r\n+d\r\n+OK\r\n'],
  ['RESP3: two attributes in a row', '|1\r\n+a\r\n+b\r\n|1\r\n+c\r\n+d\r\n+OK\r\n'],
  ['RESP3: empty attribute', '|0\r\n+OK\r\n'],
  ['RESP3: empty attribute inside', '*2\r\n|0\r\n+a\r\n|0\r\n*0\r\n'],
  ['128 arrays in each other', nested(128, '*1\r\n', ':1\r\n')],
  ['128 levels, the innermost empty', nested(128, '*1\r\n', '*0\r\n')],
]

/** A reply's own type, behind its attributes. */
const kindOf = (reply: string): number => {
  if (reply.startsWith('|')) return reply.includes('*2\r\n:1\r\n') ? 42 : 43
  return reply.charCodeAt(0)
}

describe.each(single)('%s', (_, reply) => {
  it.each(runsOf(Buffer.from(reply)))('ends where it ends $name', ({ chunks }) => {
    const { replies, midReply } = scanReplies(chunks)
    expect(replies.map(({ bytes }) => bytes.toString())).toEqual([reply])
    expect(replies[0]?.kind).toBe(kindOf(reply))
    expect(midReply).toBe(false)
  })
})

it('all of them one behind the other, with pushes between', () => {
  const push = '>2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n'
  const stream = single.flatMap(([, reply]) => [reply, push])
  for (const { name, chunks } of runsOf(Buffer.from(stream.join('')))) {
    const { replies } = scanReplies(chunks)
    expect(
      replies.map(({ bytes }) => bytes.toString()),
      name,
    ).toEqual(stream)
    for (const [i, { kind }] of replies.entries()) if (i % 2 === 1) expect(kind, name).toBe(ReplyKind.push)
  }
})

it('every way to cut a reply in three gives the same', () => {
  const reply = '*3\r\n$3\r\n\r\n1\r\n|1\r\n+a\r\n_\r\n%1\r\n#t\r\n=5\r\ntxt:b\r\n-E\r\n'
  const bytes = Buffer.from(reply)
  for (let a = 1; a < bytes.length; a++) {
    for (let b = a + 1; b < bytes.length; b++) {
      const { replies } = scanReplies(cutAt(bytes, [a, b]))
      expect(replies.map((one) => one.bytes.toString())).toEqual([reply])
    }
  }
})

describe('a reply that is not over', () => {
  it.each(single.filter(([, reply]) => reply.length < 200))('%s: each prefix waits for more', (_, reply) => {
    const bytes = Buffer.from(reply)
    for (let length = 1; length < bytes.length; length++) {
      expect(scanReplies([bytes.subarray(0, length)])).toEqual({ replies: [], midReply: true })
    }
  })
})

describe('what no server says', () => {
  it.each([
    ['a letter', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a line break', '\r\n'],
    ['a zero byte', '\0'],
    ['a high byte', '\xff'],
    ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x46'],
    ['an unknown type in an array', '*2\r\n:1\r\n@\r\n'],
    ['a length that is no number', '$abc\r\n'],
    ['a streamed string', '$?\r\n'],
    ['a streamed array', '*?\r\n'],
    ['a count with a decimal point', '*1.5\r\n'],
    ['a length of too many digits', `$${'9'.repeat(30)}\r\n`],
    ['129 arrays in each other', nested(129, '*1\r\n', ':1\r\n')],
    ['129 maps in each other', nested(129, '%1\r\n', ':1\r\n')],
    ['more elements than can be counted', '*4294967297\r\n:1\r\n'],
    ['no digits', '$\r\n'],
    ['no digits in an array', '*\r\n'],
    ['minus alone', '$-\r\n'],
    ['minus behind the number', '$5-\r\n'],
    ['two minus signs', '*--1\r\n'],
    ['a length other than -1 below zero', '$-2\r\n'],
    ['a line break within the number', '$1\r2\r\n'],
    ['a length ended by a line feed alone', '$1\na\r\n'],
  ])('%s is a ReplyProblem', (_, text) => {
    for (const { name, chunks } of runsOf(Buffer.from(text, 'latin1'))) {
      expect(() => scanReplies(chunks), name).toThrow(ReplyProblem)
    }
  })
})

it('reads nothing beyond the bounds it is given', () => {
  const scanner = new ReplyScanner()
  const buf = Buffer.from('??+OK\r\n??')
  expect(scanner.scan(buf, 2, 4)).toBe(4)
  expect(scanner.done).toBe(false)
  expect(scanner.scan(buf, 4, 7)).toBe(7)
  expect(scanner.done).toBe(true)
  expect(scanner.scan(buf, 7, 7)).toBe(7)
  expect(scanner.done).toBe(false)
})
