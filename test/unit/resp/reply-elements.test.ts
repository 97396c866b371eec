import { expect, it } from 'vitest'
import { elementsOf, replyEnd } from '../../../src/resp/reply-elements.ts'

it.each([
  ['*0\r\n', []],
  ['*2\r\n:1\r\n$3\r\n\r\n*\r\n', [':1\r\n', '$3\r\n\r\n*\r\n']],
  ['*3\r\n*1\r\n_\r\n%1\r\n+a\r\n:1\r\n-ERR x\r\n', ['*1\r\n_\r\n', '%1\r\n+a\r\n:1\r\n', '-ERR x\r\n']],
])('cuts %j', (reply, elements) => {
  expect(elementsOf(Buffer.from(reply))?.map(String)).toEqual(elements)
})

it.each(['*-1\r\n', '_\r\n', '$1\r\na\r\n', '-ERR\r\n', '%1\r\n+a\r\n+b\r\n'])('has no elements of %j', (reply) => {
  expect(elementsOf(Buffer.from(reply))).toBeNull()
})

it('finds where a reply ends', () => {
  const replies = Buffer.from('*1\r\n$1\r\na\r\n:5\r\n')
  expect(replyEnd(replies, 0)).toBe(11)
  expect(replyEnd(replies, 11)).toBe(replies.length)
})
