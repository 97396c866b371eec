import { describe, expect, it } from 'vitest'
import { PayloadChoice } from '../../../src/mover/verify-payloads.ts'

function run(choice: PayloadChoice, times: number, msPerMegabyte: { payload: number; digest: number }): string[] {
  return Array.from({ length: times }, () => {
    const way = choice.next()
    choice.took(way, 1 << 20, msPerMegabyte[way])
    return way
  })
}

describe('payloads or digests', () => {
  it('are both tried, then the faster one is taken, and the other asked again from time to time', () => {
    const choice = new PayloadChoice()
    expect(new Set(run(choice, 8, { payload: 1, digest: 5 }))).toEqual(new Set(['payload', 'digest']))
    const later = run(choice, 128, { payload: 1, digest: 5 })
    expect(later.filter((way) => way === 'digest').length).toBe(2)
  })

  it('change over when the network becomes the slower part', () => {
    const choice = new PayloadChoice()
    run(choice, 100, { payload: 1, digest: 5 })
    const later = run(choice, 200, { payload: 50, digest: 5 }).slice(-60)
    expect(later.filter((way) => way === 'payload').length).toBeLessThanOrEqual(1)
  })

  it('are payloads for good where digests are refused', () => {
    const choice = new PayloadChoice()
    run(choice, 4, { payload: 1, digest: 1 })
    choice.refuseDigests()
    expect(new Set(run(choice, 200, { payload: 50, digest: 1 }))).toEqual(new Set(['payload']))
  })
})
