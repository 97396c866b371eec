import { describe, expect, it } from 'vitest'
import { Operations } from '../../../src/demo/operations.ts'
import { Random } from '../../../src/demo/random.ts'

const draw = (keys: number, count = 20_000) => {
  const operations = new Operations(new Random(3), keys)
  return Array.from({ length: count }, () => operations.any())
}

describe('what the load does', () => {
  it('covers the commands that a copy could get wrong', () => {
    const names = new Set(draw(10_000).map(([name]) => name))
    for (const name of [
      'INCR',
      'APPEND',
      'RPUSH',
      'SPOP',
      'XADD',
      'XREADGROUP',
      'INCRBYFLOAT',
      'GETEX',
      'SETEX',
      'EVAL',
      'PERSIST',
      'DEL',
      'LMOVE',
    ]) {
      expect(names).toContain(name)
    }
  })

  it('mixes reads and writes', () => {
    const names = draw(10_000).map(([name]) => String(name))
    const reads = names.filter((name) => /^(GET|STRLEN|HGET|LRANGE|ZSCORE|SCARD|XLEN|PFCOUNT|TTL|EXISTS)$/.test(name)).length
    expect(reads / names.length).toBeGreaterThan(0.1)
    expect(reads / names.length).toBeLessThan(0.6)
  })

  it('never copies a key onto itself, which is an error', () => {
    for (const [name, from, to] of draw(10_000, 50_000)) if (name === 'COPY') expect(from).not.toBe(to)
  })

  it('leaves the data set alone when it has none', () => {
    expect(
      draw(0)
        .flat()
        .map(String)
        .some((argument) => argument.startsWith('demo:')),
    ).toBe(false)
  })
})
