import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sameHyperLogLog } from '../../../src/mover/verify-hll.ts'

const registerCount = 16_384
const stale = 0x80

function header(encoding: number, cached: number[]): Buffer {
  return Buffer.from([...Buffer.from('HYLL'), encoding, 0, 0, 0, ...cached])
}

const staleCount = [0, 0, 0, 0, 0, 0, 0, stale]

function dense(registers: number[], cached = staleCount): Buffer {
  const bytes = Buffer.alloc((registerCount * 6) / 8)
  registers.forEach((value, index) => {
    for (let bit = 0; bit < 6; bit += 1) {
      const at = index * 6 + bit
      if ((value >> bit) & 1) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7))
    }
  })
  return Buffer.concat([header(0, cached), bytes])
}

function sparse(registers: number[], cached = staleCount): Buffer {
  const opcodes: number[] = []
  for (let at = 0; at < registerCount; ) {
    const value = registers[at] ?? 0
    let run = 1
    while (at + run < registerCount && (registers[at + run] ?? 0) === value) run += 1
    at += run
    while (run > 0) {
      const part = Math.min(run, value > 0 ? 4 : registerCount)
      if (value > 0) opcodes.push(0x80 | ((value - 1) << 2) | (part - 1))
      else if (part <= 64) opcodes.push(part - 1)
      else opcodes.push(0x40 | ((part - 1) >> 8), (part - 1) & 0xff)
      run -= part
    }
  }
  return Buffer.concat([header(1, cached), Buffer.from(opcodes)])
}

const registers = (values: Record<number, number>) => Array.from({ length: registerCount }, (_, index) => values[index] ?? 0)

describe('sameHyperLogLog', () => {
  it('finds the same registers in both encodings', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.integer({ min: 0, max: registerCount - 1 }).map(String), fc.integer({ min: 1, max: 32 })),
        (values) => {
          const all = registers(values)
          expect(sameHyperLogLog(dense(all), sparse(all))).toBe(true)
          const index = Number(Object.keys(values)[0] ?? 5)
          all[index] = (all[index] ?? 0) === 32 ? 31 : (all[index] ?? 0) + 1
          expect(sameHyperLogLog(dense(registers(values)), sparse(all))).toBe(false)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('passes over a cached count on one side, but not over two that differ', () => {
    const all = registers({ 3: 4 })
    const [one, two] = [
      [1, 0, 0, 0, 0, 0, 0, 0],
      [2, 0, 0, 0, 0, 0, 0, 0],
    ] as [number[], number[]]
    expect(sameHyperLogLog(dense(all, one), dense(all))).toBe(true)
    expect(sameHyperLogLog(dense(all, one), sparse(all, one))).toBe(true)
    expect(sameHyperLogLog(dense(all, one), dense(all, two))).toBe(false)
  })

  it('does not take other strings for one', () => {
    const good = sparse(registers({ 9: 1 }))
    for (const other of [
      Buffer.from('HYLL'),
      Buffer.from(''),
      Buffer.concat([header(0, staleCount), Buffer.alloc(100)]),
      Buffer.concat([good, Buffer.from([0])]),
      good.subarray(0, good.length - 1),
      Buffer.concat([header(2, staleCount), good.subarray(16)]),
    ]) {
      expect(sameHyperLogLog(good, other)).toBeNull()
      expect(sameHyperLogLog(other, good)).toBeNull()
    }
  })
})
