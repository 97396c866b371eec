/** What is noted of a stream: ids that were deleted, ids that something is pending under, and consumers that asked for their own once more. */
import { describe, expect, it } from 'vitest'
import { argViewOf } from '../../../../src/commands/arg-view.ts'
import { specOf } from '../../../../src/dispatch/command-keys.ts'
import { type KeyNotes, WriteNotes } from '../../../../src/dispatch/moving/write-notes.ts'
import { OrderBoard } from '../../../../src/dispatch/order-board.ts'
import { encodeCommand } from '../../../../src/resp/encode.ts'

const key = Buffer.from('k')
const keys = [{ db: 0, key }]

function notesOf(...lines: string[]): { all: WriteNotes; notes: KeyNotes } {
  const all = new WriteNotes(new OrderBoard())
  const notes = all.open(0, key)
  for (const line of lines) {
    const args = argViewOf(line.split(' '))
    const others = line.includes(' other ') ? [{ db: 0, key: Buffer.from('other') }] : []
    all.wrote(specOf(args), args, [...others, ...keys])
  }
  return { all, notes }
}

const pendingIn = ({ stream }: KeyNotes): unknown[] =>
  stream.takePending().map(({ group, ids, consumers }) => ({
    group: String(group),
    ids: [...ids],
    consumers: consumers.map(({ consumer, after, removed }) => `${consumer} behind ${after}${removed ? ', removed' : ''}`),
  }))

describe('notes of a stream', () => {
  it('have every id once, by group, until they are taken', () => {
    const { notes } = notesOf('XACK k g 1 2-0', 'XCLAIM k g c 0 2 3', 'XACK k h 1', 'XDEL k 5 6', 'XDEL k 6', 'XADD k * f v')
    expect([notes.size, notes.spoiled]).toEqual([6, null])
    expect(notes.stream.takeDeleted()).toEqual(['5-0', '6-0'])
    expect(pendingIn(notes)).toEqual([
      { group: 'g', ids: ['1-0', '2-0', '3-0'], consumers: [] },
      { group: 'h', ids: ['1-0'], consumers: [] },
    ])
    expect(notes.size).toBe(0)
  })

  it('have the oldest id behind which a consumer asked, also beside other streams', () => {
    const { notes } = notesOf(
      'XREADGROUP GROUP g c STREAMS k 10',
      'XREADGROUP GROUP g c STREAMS other k > 9-5',
      'XREADGROUP GROUP g c STREAMS k 11',
      'XREADGROUP GROUP g d BLOCK 0 STREAMS other k 5 >',
      'XGROUP DELCONSUMER k g e',
      'XREADGROUP GROUP g e STREAMS k 7',
    )
    expect([notes.size, notes.spoiled]).toEqual([2, null])
    expect(pendingIn(notes)).toEqual([{ group: 'g', ids: [], consumers: ['c behind 9-5', 'e behind 0-0, removed'] }])
  })

  it('wait for the reply to a claim whose arguments do not tell what it does', () => {
    const { all, notes } = notesOf('XAUTOCLAIM k g c 0 0')
    expect([notes.size, notes.stream.awaited]).toEqual([0, 1])
    all.told('xadd', [], keys)
    expect(notes.stream.awaited).toBe(1)
    all.told('xautoclaim', [encodeCommand(['XCLAIM', 'k', 'g', 'c', '0', '1-0']), encodeCommand(['XACK', 'k', 'g', '2-0'])], keys)
    expect(notes.stream.awaited).toBe(0)
    expect(pendingIn(notes)).toEqual([{ group: 'g', ids: ['1-0', '2-0'], consumers: [] }])
    all.told('xautoclaim', null, keys)
    expect(notes.spoiled).toBe('the reply of xautoclaim did not tell what it did')
  })

  it('are spoiled beyond half a million ids, and by what is not known of streams', () => {
    const some = (n: number): string => Array.from({ length: 1_000 }, (_, i) => `${n}-${i}`).join(' ')
    const { notes } = notesOf(...Array.from({ length: 501 }, (_, n) => `XACK k g ${some(n)}`))
    expect(notes.spoiled).toBe('more than 500000 parts of it were written to meanwhile')
    expect(notes.size).toBe(0)
    expect(notesOf('XGROUP DESTROY k g').notes.spoiled).toBe('xgroup|destroy may have changed any part of it')
  })
})
