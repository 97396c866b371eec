import { describe, expect, it } from 'vitest'
import { InFlight } from '../../../src/demo/in-flight.ts'

describe('InFlight', () => {
  it('takes the answers in the order of the requests, never letting more than its number wait', async () => {
    const taken: number[] = []
    const inFlight = new InFlight<number>(2, (answer) => taken.push(answer))
    const slow = Promise.withResolvers<number>()
    await inFlight.add(slow.promise)
    const second = inFlight.add(Promise.resolve(2))
    expect(taken).toEqual([])
    slow.resolve(1)
    await second
    expect(taken).toEqual([1])
    await inFlight.drain()
    expect(taken).toEqual([1, 2])
  })

  it('fails with the first request that failed', async () => {
    const inFlight = new InFlight<number>(3, () => {})
    await inFlight.add(Promise.reject(new Error('first')))
    await inFlight.add(Promise.reject(new Error('second')))
    await expect(inFlight.drain()).rejects.toThrow('first')
  })
})
