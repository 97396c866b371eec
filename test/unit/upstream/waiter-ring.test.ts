import { expect, it } from 'vitest'
import type { ReplyLane, Waiter } from '../../../src/upstream/waiter.ts'
import { WaiterRing } from '../../../src/upstream/waiter-ring.ts'

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

it('who waits for answers is told once, even where all is lost while others are being told', () => {
  const lane: ReplyLane = { side: 'source', sum: 0, errors: 0, lastError: null, pause: () => undefined, resume: () => undefined }
  const ring = new WaiterRing()
  const told: string[] = []
  const lost: string[] = []
  const named = (name: string): Waiter => ({
    ...waiter(),
    lost: (_lane, left, midReply) => void lost.push(`${name} ${left} ${midReply}`),
  })
  ring.push(named('a'), 1)
  ring.whenAnswered((answered) => {
    told.push(`first ${answered}`)
    ring.loseAll(lane, 2, true)
  })
  ring.whenAnswered((answered) => void told.push(`second ${answered}`))
  ring.push(named('b'), 3)
  ring.push(named('c'), 4)
  ring.tellAnswered()
  expect(told).toEqual([])
  ring.shift()
  ring.tellAnswered()
  expect(told).toEqual(['first true', 'second false'])
  expect(lost).toEqual(['b 2 true', 'c 4 false'])
  ring.whenAnswered((answered) => void told.push(`third ${answered}`))
  expect(told.at(-1)).toBe('third true')
})
