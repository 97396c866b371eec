import { describe, expect, it } from 'vitest'
import { chunkBytes, Loan, nextChunk, spareChunks, spareMax } from '../../../src/upstream/chunks.ts'

const empty = (): void => {
  while (spareChunks() > 0) nextChunk(chunkBytes)
}

describe('chunks', () => {
  it('go back when the last one who waits for their bytes is done', () => {
    empty()
    const chunks = [nextChunk(chunkBytes), nextChunk(40_000)]
    const loan = new Loan(chunks, 2)
    loan.done()
    expect(spareChunks()).toBe(0)
    loan.done()
    expect(spareChunks()).toBe(2)
    const again = nextChunk(chunkBytes)
    expect(again).toHaveLength(chunkBytes)
    expect(again.buffer).toBe(chunks[1]?.buffer)
  })

  it('that hold the bytes of others as well stay with them, as does whatever is no chunk', () => {
    empty()
    const chunk = nextChunk(chunkBytes)
    new Loan([chunk.subarray(0, 50_000), chunk.subarray(0), Buffer.alloc(chunkBytes), Buffer.allocUnsafe(100)], 1).done()
    expect(spareChunks()).toBe(0)
  })

  it('go back only once', () => {
    empty()
    const chunk = nextChunk(chunkBytes)
    for (const loan of [new Loan([chunk], 1), new Loan([chunk], 1)]) loan.done()
    expect(spareChunks()).toBe(1)
  })

  it('beyond the limit are let go of', () => {
    empty()
    const many = Array.from({ length: spareMax + 1 }, () => nextChunk(chunkBytes))
    new Loan(many, 1).done()
    expect(spareChunks()).toBe(spareMax)
  })
})
