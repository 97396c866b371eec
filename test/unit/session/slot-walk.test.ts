import { expect, it } from 'vitest'
import { KeysOfSlot } from '../../../src/session/slot-walk.ts'

const key = (text: string): Buffer => Buffer.from(text, 'latin1')

it('gives the keys of one slot, each once, whatever bytes they are', () => {
  const keys = new KeysOfSlot(7, 10)
  for (const [name, slot] of [
    ['a', 7],
    ['b', 8],
    ['a', 7],
    ['\xff\r\n', 7],
  ] as const)
    expect(keys.visit(key(name), slot)).toBe(true)
  expect(keys.reply()).toEqual(key('*2\r\n$1\r\na\r\n$3\r\n\xff\r\n\r\n'))
})

it('has enough at the number that was asked for', () => {
  const keys = new KeysOfSlot(7, 2)
  expect([keys.visit(key('a'), 7), keys.visit(key('b'), 7)]).toEqual([true, false])
  expect(keys.reply().toString()).toBe('*2\r\n$1\r\na\r\n$1\r\nb\r\n')
})

it('keeps no more bytes than its limit, and says so', () => {
  const keys = new KeysOfSlot(7, 10, 4)
  expect([keys.visit(key('aa'), 7), keys.visit(key('bb'), 7), keys.visit(key('c'), 7)]).toEqual([true, true, false])
  expect(keys.reply().toString()).toBe('-ERR FERRY limit: 3 keys are longer than 4 bytes together; ask for fewer\r\n')
})
