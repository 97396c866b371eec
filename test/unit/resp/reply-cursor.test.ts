import { describe, expect, it } from 'vitest'
import { ReplyCursor } from '../../../src/resp/reply-cursor.ts'

const cursor = (text: string): ReplyCursor => new ReplyCursor(Buffer.from(text))

describe('replies one after the other', () => {
  it('are read as what they are known to be', () => {
    const replies = cursor(
      '+string\r\n:-2\r\n:9007199254740991\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n$1\r\nx\r\n$0\r\n\r\n*-1\r\n-ERR no\r\n*1\r\n:5\r\n',
    )
    expect(replies.line()).toBe('string')
    expect([replies.isInteger, replies.integer(), replies.integer()]).toEqual([true, -2, Number.MAX_SAFE_INTEGER])
    expect([replies.isInteger, replies.error()]).toEqual([false, null])
    expect(replies.bulk()?.toString()).toBe('a\r\n')
    expect(replies.bulk()).toBeNull()
    expect(replies.bulks().map(String)).toEqual(['x', ''])
    expect(replies.bulks()).toEqual([])
    expect(replies.error()).toBe('ERR no')
    expect(replies.reply()).toEqual([5])
    expect(replies.at).toBe(replies.bytes.length)
  })

  it('the first error of a reply is found wherever it stands, and the reply is read to its end', () => {
    const replies = cursor('*3\r\n:1\r\n*2\r\n$2\r\n-x\r\n-ERR inside\r\n-ERR later\r\n+OK\r\n-ERR plain\r\n$-1\r\n*-1\r\n*0\r\n')
    const found = Array.from({ length: 6 }, () => replies.firstError())
    expect(found).toEqual(['ERR inside', null, 'ERR plain', null, null, null])
    expect(replies.at).toBe(replies.bytes.length)
  })
})
