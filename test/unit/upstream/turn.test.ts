import { expect, it } from 'vitest'
import { Turn } from '../../../src/upstream/turn.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

it('flushes once per turn what was scheduled in it, and what is scheduled meanwhile in the next', async () => {
  const turn = new Turn()
  const log: string[] = []
  const item = (name: string, then?: () => void) => ({
    flush(): void {
      log.push(name)
      then?.()
    },
  })
  const late = item('late')
  turn.schedule(item('a', () => turn.schedule(late)))
  turn.schedule(item('b'))
  expect(log).toEqual([])
  await nextTurn()
  await nextTurn()
  expect(log).toEqual(['a', 'b', 'late'])
  await nextTurn()
  expect(log).toHaveLength(3)
})

it('its clock does not go back', () => {
  const turn = new Turn()
  const first = turn.nowMs
  expect(turn.tick()).toBeGreaterThanOrEqual(first)
  expect(turn.nowMs).toBeGreaterThanOrEqual(first)
})
