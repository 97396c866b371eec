import { expect, test } from 'vitest'
import { Pace } from '../../../src/mover/pace.ts'

/** How many batches of `size` leave within `ms`. */
function batches(pace: Pace, size: number, fromMs: number, ms: number): number {
  let count = 0
  for (let nowMs = fromMs; nowMs < fromMs + ms; nowMs++) while (count < 1e4 && pace.waitMs(size, nowMs) === 0) count++
  return count
}

test('no limit, no wait', () => {
  expect(batches(new Pace(0, 0), 1e9, 0, 1)).toBe(1e4)
})

test('what leaves in a second is what was set, whenever it was set', () => {
  const pace = new Pace(1_000, 0)
  expect(batches(pace, 10, 0, 1_000)).toBeCloseTo(100, -1)
  pace.set(100)
  expect(batches(pace, 10, 1_000, 1_000)).toBeLessThanOrEqual(12)
})

test('what was spent afterwards is waited for', () => {
  const pace = new Pace(1_000, 0)
  expect(pace.waitMs(0, 10)).toBe(0)
  pace.spend(510)
  expect(pace.waitMs(0, 10)).toBe(500)
  expect(pace.waitMs(0, 511)).toBe(0)
})
