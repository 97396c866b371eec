import { describe, expect, it } from 'vitest'
import { Random } from '../../../src/demo/random.ts'

const draw = (seed: number) => {
  const random = new Random(seed)
  return Array.from({ length: 200 }, () => random.below(1000))
}

describe('Random', () => {
  it('repeats itself from the same seed and not from another', () => {
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })

  it('covers its range and stays in it', () => {
    const random = new Random(1)
    const seen = new Set(Array.from({ length: 500 }, () => random.between(3, 6)))
    expect([...seen].sort()).toEqual([3, 4, 5, 6])
  })

  it('makes words of the length that was asked for', () => {
    const random = new Random(1)
    for (const length of [0, 1, 8, 9, 100]) expect(random.word(length)).toMatch(new RegExp(`^[a-z0-9]{${length}}$`))
  })
})
