import { expect, it } from 'vitest'
import { keysWithin } from '../../../src/mover/slot-range.ts'
import { slotCount, slotOf } from '../../../src/routing/slot.ts'

const keys = ['a', 'b', 'foo', '{foo}bar'].map((key) => Buffer.from(key))
const slots = keys.map((key) => slotOf(key, 0, key.length))

it('all slots have all keys', () => {
  expect(keysWithin({ from: 0, below: slotCount }, keys)).toEqual(keys)
})

it('a range has the keys of its slots: the first is in it, the last is not', () => {
  const slot = slots[2] as number
  expect(keysWithin({ from: slot, below: slot + 1 }, keys).map(String)).toEqual(['foo', '{foo}bar'])
  expect(keysWithin({ from: slot + 1, below: slotCount }, keys).map(String)).toEqual(
    keys.filter((_, i) => (slots[i] as number) > slot).map(String),
  )
  expect(keysWithin({ from: 0, below: slot }, keys).map(String)).toEqual(
    keys.filter((_, i) => (slots[i] as number) < slot).map(String),
  )
})
