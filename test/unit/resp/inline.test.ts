import { describe, expect, it } from 'vitest'
import { splitInline } from '../../../src/resp/inline.ts'

const split = (line: string): string[] | null =>
  splitInline(Buffer.from(line, 'latin1'))?.map((arg) => arg.toString('latin1')) ?? null

describe('an inline command', () => {
  it.each([
    ['PING', ['PING']],
    ['', []],
    ['   ', []],
    ['\t\v\f\r', []],
    ['SET a b', ['SET', 'a', 'b']],
    [' SET\ta\v\fb ', ['SET', 'a', 'b']],
    ['SET "" \'\'', ['SET', '', '']],
    ['"a b"', ['a b']],
    ["'a b'", ['a b']],
    ['"it\'s"', ["it's"]],
    [`'say "a"'`, ['say "a"']],
    [String.raw`"\"\\\n\r\t\b\a\q"`, ['"\\\n\r\t\b\x07q']],
    [String.raw`"\x00\xFF\xfg\x"`, ['\x00\xffxfgx']],
    [String.raw`'\'\n\x41\\ '`, [String.raw`'\n\x41\\ `]],
    [String.raw`a\n\x41\ `, [String.raw`a\n\x41\ `.trim()]],
    // A quote may begin in the middle of a word, and the word ends with it.
    ['a"b c" d', ['ab c', 'd']],
    ["k'v w'", ['kv w']],
    ['é', ['é']],
  ])('%j', (line, argv) => expect(split(line)).toEqual(argv))

  it.each(['"a', "'a", '"a"b', "'a'b", '"a""b"', '"a\\"', "'a\\'", '"', 'SET a "b c', String.raw`"\x4`, '"a\\'])(
    '%j is refused: unbalanced',
    (line) => expect(split(line)).toBeNull(),
  )
})
