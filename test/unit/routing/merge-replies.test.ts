import { expect, it } from 'vitest'
import { mergeElements } from '../../../src/routing/merge-replies.ts'

const merge = (reply: string, other: string, missing: number[]): string | undefined =>
  mergeElements(Buffer.from(reply), Buffer.from(other), missing)?.toString()

it('takes what is missing from the other reply, byte for byte', () => {
  expect(merge('*3\r\n$1\r\na\r\n$-1\r\n$-1\r\n', '*3\r\n$1\r\nx\r\n$2\r\n\r\n\r\n$-1\r\n', [1, 2])).toBe(
    '*3\r\n$1\r\na\r\n$2\r\n\r\n\r\n$-1\r\n',
  )
})

it('knows nested elements and RESP3 nulls', () => {
  expect(merge('*2\r\n_\r\n*2\r\n,1\r\n,2\r\n', '*2\r\n*2\r\n,3\r\n,4.50\r\n_\r\n', [0])).toBe(
    '*2\r\n*2\r\n,3\r\n,4.50\r\n*2\r\n,1\r\n,2\r\n',
  )
})

it('gives nothing where the elements cannot be told to belong together', () => {
  expect(merge('*1\r\n$-1\r\n', '-LOADING\r\n', [0])).toBeUndefined()
  expect(merge('*1\r\n$-1\r\n', '*2\r\n:1\r\n:2\r\n', [0])).toBeUndefined()
  expect(merge('*-1\r\n', '*1\r\n:1\r\n', [0])).toBeUndefined()
})
