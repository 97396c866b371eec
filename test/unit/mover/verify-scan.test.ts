import { describe, expect, it } from 'vitest'
import { eachInFlight } from '../../../src/mover/verify-scan.ts'

describe('eachInFlight', () => {
  it('runs all of them, never more than the limit at once', async () => {
    let running = 0
    let most = 0
    const done: number[] = []
    await eachInFlight([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      done.push(item)
    })
    expect(most).toBe(3)
    expect(done.sort()).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it('starts nothing after a failure and throws the first one when all have ended', async () => {
    const started: number[] = []
    let ended = 0
    const work = eachInFlight([1, 2, 3, 4, 5], 2, async (item) => {
      started.push(item)
      await new Promise((resolve) => setImmediate(resolve))
      ended += 1
      throw new Error(`item ${item}`)
    })
    await expect(work).rejects.toThrow('item 1')
    expect(started.length).toBeLessThan(5)
    expect(ended).toBe(started.length)
  })

  it('waits for what runs when the items themselves fail', async () => {
    let ended = false
    async function* items() {
      yield 1
      throw new Error('no more')
    }
    const work = eachInFlight(items(), 2, async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      ended = true
    })
    await expect(work).rejects.toThrow('no more')
    expect(ended).toBe(true)
  })
})
