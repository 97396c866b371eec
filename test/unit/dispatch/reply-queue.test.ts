import { beforeEach, describe, expect, it } from 'vitest'
import { ReplyQueue, ReplySlot } from '../../../src/dispatch/reply-queue.ts'

let out: string[]
let drained: number
let queue: ReplyQueue

beforeEach(() => {
  out = []
  drained = 0
  queue = new ReplyQueue({
    write: (buf, start, end) => void out.push(buf.toString('latin1', start, end)),
    drained: () => drained++,
  })
})

function slot(): ReplySlot {
  const made = new ReplySlot()
  queue.push(made)
  return made
}

function deliver(to: ReplySlot, text: string, ended = true): void {
  queue.deliver(to, Buffer.from(text), 0, text.length, ended)
}

describe('a reply queue', () => {
  it('sends the first reply on as it comes, piece by piece', () => {
    const first = slot()
    deliver(first, '$5\r\nhe', false)
    expect(out).toEqual(['$5\r\nhe'])
    expect(queue.isFirst(first)).toBe(true)
    deliver(first, 'llo\r\n')
    expect(out.join('')).toBe('$5\r\nhello\r\n')
    expect([queue.length, drained]).toEqual([0, 1])
  })

  it('keeps a later reply until its turn, and lets its rest go straight out then', () => {
    const [first, second] = [slot(), slot()]
    deliver(second, 'b1', false)
    expect(out).toEqual([])
    deliver(first, 'a')
    expect(out).toEqual(['a', 'b1'])
    expect([queue.length, drained]).toEqual([1, 0])
    deliver(second, 'b2')
    expect(out).toEqual(['a', 'b1', 'b2'])
    expect(drained).toBe(1)
  })

  it('puts an answer that is known already behind what is owed', () => {
    queue.answer(Buffer.from('0'))
    const first = slot()
    queue.answer(Buffer.from('2'))
    expect(out).toEqual(['0'])
    expect(queue.length).toBe(2)
    deliver(first, '1')
    expect(out).toEqual(['0', '1', '2'])
    expect(queue.length).toBe(0)
  })

  it('starts anew after it was empty', () => {
    deliver(slot(), 'a')
    const [second, third] = [slot(), slot()]
    deliver(third, 'c')
    deliver(second, 'b')
    expect(out).toEqual(['a', 'b', 'c'])
    expect(drained).toBe(2)
  })

  it('an ended reply of no bytes is one, too', () => {
    const [first, second] = [slot(), slot()]
    deliver(second, 'b')
    deliver(first, '')
    expect(out.join('')).toBe('b')
    expect(queue.length).toBe(0)
  })

  it('a hundred thousand replies that all wait for one leave in one go', () => {
    const first = slot()
    const others = Array.from({ length: 100_000 }, slot)
    for (const other of others) deliver(other, 'x')
    deliver(first, '!')
    expect(out.join('')).toBe(`!${'x'.repeat(100_000)}`)
    expect([queue.length, drained]).toEqual([0, 1])
  })
})
