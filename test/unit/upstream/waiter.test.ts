import { expect, it } from 'vitest'
import { type Waiter, WaiterRing } from '../../../src/upstream/waiter.ts'

const waiter = (): Waiter => ({ sums: false, take: () => undefined, lost: () => undefined })

it('a ring gives its waiters back in order, with their counts, however far it grows', () => {
  const ring = new WaiterRing()
  const inside: { who: Waiter; count: number }[] = []
  let n = 0
  const push = (): void => {
    const entry = { who: waiter(), count: ++n }
    inside.push(entry)
    ring.push(entry.who, entry.count)
  }
  const shift = (): void => {
    const entry = inside.shift()
    expect(ring.empty).toBe(entry === undefined)
    if (entry === undefined) return
    expect(ring.first).toBe(entry.who)
    expect(ring.firstCount).toBe(entry.count)
    ring.shift()
  }
  // Begin in the middle, so that growing has to unroll a wrapped ring.
  for (let i = 0; i < 700; i++) push()
  for (let i = 0; i < 600; i++) shift()
  for (let i = 0; i < 5_000; i++) {
    push()
    if (i % 3 === 0) shift()
  }
  expect(ring.tail - ring.head).toBe(inside.length)
  while (inside.length > 0) shift()
  expect(ring.empty).toBe(true)
})
