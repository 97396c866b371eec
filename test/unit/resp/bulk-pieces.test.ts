import { expect, test } from 'vitest'
import { bulkReplies } from '../../../src/resp/bulk-pieces.ts'

const replies = '$5\r\nhello\r\n-WRONGTYPE no\r\n$-1\r\n$0\r\n\r\n$12\r\na\r\nb\n$3\r\nxyz\r\n$2\r\n\r\n\r\n'
const wanted = ['hello', new Error('WRONGTYPE no'), null, '', 'a\r\nb\n$3\r\nxyz', '\r\n']

const read = (chunks: readonly Buffer[]): unknown[] =>
  [...bulkReplies(chunks)].map((reply) => {
    if (reply === null) return null
    return typeof reply === 'string' ? new Error(reply) : String(Buffer.concat(reply))
  })

test('the same comes out wherever the chunks are cut', () => {
  const bytes = Buffer.from(replies)
  expect(read([bytes])).toEqual(wanted)
  for (let size = 1; size < bytes.length; size++) {
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
    expect(read(chunks), `chunks of ${size}`).toEqual(wanted)
  }
})

test('nothing is copied of what lies in one chunk, nor of what lies in several', () => {
  const chunks = ['$6\r\nabc', 'def\r\n'].map((text) => Buffer.from(text))
  const [value] = [...bulkReplies(chunks)] as Buffer[][]
  expect(value?.map(String)).toEqual(['abc', 'def'])
  expect(value?.map((part) => part.buffer)).toEqual(chunks.map((chunk) => chunk.buffer))
})

test('what is no bulk string, or not whole, is no value', () => {
  expect(() => read([Buffer.from(':1\r\n')])).toThrow('no bulk string')
  expect(() => read([Buffer.from('$5\r\nhel')])).toThrow('in the middle')
  expect(() => read([Buffer.from('$5')])).toThrow('in the middle')
})
