import { expect, it } from 'vitest'
import { keysOfBatch } from '../../../src/mover/batching.ts'
import type { Shape } from '../../../src/mover/throttle.ts'

const shape: Shape = { batchKeys: 512, batchBytes: 1_000_000, batchesInFlight: 4, restTimes: 0 }

it('the first batch is a small one: nothing is known about the values yet', () => {
  expect(keysOfBatch(shape, 0, 0)).toBe(16)
  expect(keysOfBatch({ ...shape, batchKeys: 4 }, 0, 0)).toBe(4)
})

it('a batch has as many keys as its bytes allow, by the mean of what was copied, and no more than its keys', () => {
  expect(keysOfBatch(shape, 1_000, 100_000)).toBe(512)
  expect(keysOfBatch(shape, 1_000, 9_999_000)).toBe(100)
})

it('values longer than a batch go one by one', () => {
  expect(keysOfBatch(shape, 3, 300_000_000)).toBe(1)
})
