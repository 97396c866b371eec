/** What is noted of writes to a key that is copied meanwhile: by parts where the arguments tell them, else as the end of the copy. */
import { describe, expect, it } from 'vitest'
import { argViewOf } from '../../../../src/commands/arg-view.ts'
import { specOf } from '../../../../src/dispatch/command-keys.ts'
import { merged } from '../../../../src/dispatch/moving/moving-string.ts'
import { touchOf } from '../../../../src/dispatch/moving/touch.ts'
import { type KeyNotes, WriteNotes } from '../../../../src/dispatch/moving/write-notes.ts'
import { OrderBoard, Stripe } from '../../../../src/dispatch/order-board.ts'

const touched = (line: string): string => {
  const args = argViewOf(line.split(' '))
  const touch = touchOf(specOf(args).name, args, Buffer.from('k'))
  if (touch === null) return 'anything'
  switch (touch.kind) {
    case 'elements':
      return touch.names.join(' ')
    case 'bytes':
      return `${touch.from}..${touch.below}`
    case 'push':
    case 'pop':
      return `${touch.kind} ${touch.end} ${touch.count}`
    case 'entries':
      return `entries ${touch.ids.join(' ')}`
    case 'pending':
      return `in ${touch.group}: ${touch.ids.join(' ')}`
    case 'consumer':
      return `in ${touch.group}: ${touch.consumer} behind ${touch.after}${touch.removed ? ', removed' : ''}`
    default:
      return touch.kind
  }
}

describe('what a write touches', () => {
  it.each([
    ['HSET k a 1 b 2', 'a b'],
    ['HDEL k a b', 'a b'],
    ['HINCRBY k a 1', 'a'],
    ['HSETEX k FNX FIELDS 1 a 1', 'anything'],
    ['SADD k a b', 'a b'],
    ['SPOP k', 'anything'],
    ['ZADD k 1 a 2 b', 'a b'],
    ['ZADD k NX CH 1 a', 'a'],
    ['ZADD k XX INCR 1 xx', 'xx'],
    ['ZINCRBY k 3 a', 'a'],
    ['GEOADD k CH 1 2 a 3 4 b', 'a b'],
    ['ZREMRANGEBYRANK k 0 1', 'anything'],
    ['RPUSH k a b', 'push right 2'],
    ['LPOP k', 'pop left 1'],
    ['LPOP k 3', 'pop left 3'],
    ['RPOP k x', 'anything'],
    ['LSET k 0 a', 'anything'],
    ['LTRIM k 0 1', 'anything'],
    ['SETRANGE k 5 abc', '5..8'],
    ['SETBIT k 17 1', '2..3'],
    ['APPEND k abc', '0..0'],
    ['SET k v', 'anything'],
    ['DEL k', 'anything'],
    ['PEXPIRE k 5', 'nothing'],
    ['RENAME k l', 'anything'],
    ['XADD k * f v', 'evident'],
    ['XADD k NOMKSTREAM MAXLEN ~ 100 LIMIT 5 KEEPREF 5-* f v', 'evident'],
    ['XADD k MINID = 5-0 * delref v', 'evident'],
    ['XADD k MAXLEN 100 DELREF * f v', 'anything'],
    ['XADD k IDMPAUTO p * f v', 'anything'],
    ['XTRIM k MAXLEN ~ 100 LIMIT 5', 'evident'],
    ['XTRIM k MINID 5 ACKED', 'anything'],
    ['XDEL k 5 07-1', 'entries 5-0 7-1'],
    ['XDEL k five', 'anything'],
    ['XACK k g 1-1 2-1', 'in g: 1-1 2-1'],
    ['XCLAIM k g c 0 1-1 2 IDLE 5 FORCE', 'in g: 1-1 2-0'],
    ['XAUTOCLAIM k g c 0 0', 'told'],
    ['XREADGROUP GROUP g c COUNT 5 BLOCK 0 NOACK STREAMS k >', 'evident'],
    ['XREADGROUP GROUP g c STREAMS other k 5 >', 'evident'],
    ['XREADGROUP GROUP g c STREAMS other k > 5', 'in g: c behind 5-0'],
    ['XREADGROUP GROUP g c STREAMS k k 5 6', 'anything'],
    ['XREADGROUP GROUP g c CLAIM 5 STREAMS k >', 'anything'],
    ['XGROUP CREATE k g $ MKSTREAM', 'evident'],
    ['XGROUP CREATECONSUMER k g c', 'evident'],
    ['XGROUP DELCONSUMER k g c', 'in g: c behind 0-0, removed'],
    ['XGROUP DESTROY k g', 'anything'],
    ['XGROUP SETID k g 0', 'anything'],
    ['XSETID k 5-0', 'anything'],
    ['XACKDEL k g IDS 1 5-0', 'anything'],
    ['XDELEX k IDS 1 5-0', 'anything'],
  ])('%s: %s', (line, expected) => {
    expect(touched(line)).toBe(expected)
  })
})

const board = new OrderBoard()
const notesOf = new WriteNotes(board)
const key = Buffer.from('k')

function wrote(...lines: string[]): KeyNotes {
  const notes = notesOf.open(0, key)
  notes.begin()
  for (const line of lines) {
    const args = argViewOf(line.split(' '))
    const keys = line.startsWith('RENAME') ? [key, Buffer.from('l')] : [Buffer.from(line.split(' ')[1] as string)]
    notesOf.wrote(
      specOf(args),
      args,
      keys.map((name) => ({ db: 0, key: name })),
    )
  }
  notesOf.close(notes)
  return notes
}

describe('notes', () => {
  it('name each element once, until they are taken', () => {
    const notes = wrote('HSET k a 1', 'HSET k a 2 b 1', 'HSET other c 1', 'HDEL k')
    expect(notes.takeElements().map(String)).toEqual(['a', 'b'])
    expect(notes.size).toBe(0)
    expect(notes.spoiled).toBeNull()
  })

  it('reckon with both ends of a list, and how far the right one went back', () => {
    const notes = wrote('RPUSH k a b', 'RPOP k 5', 'RPUSH k c', 'LPUSH k d', 'LPOP k 2')
    expect([notes.right, notes.rightLeast, notes.left, notes.leftPops]).toEqual([-2, -3, -1, 2])
  })

  it('are spoiled by what may have changed any part', () => {
    expect(wrote('HSET k a 1', 'DEL k').spoiled).toBe('del may have changed any part of it')
    expect(wrote('RENAME k l').spoiled).toBe('rename may have changed any part of it')
    const notes = notesOf.open(0, key)
    notesOf.changed([{ db: 1, key }], 'another database')
    expect(notes.spoiled).toBeNull()
    notesOf.changedAll('flushall ran')
    expect(notes.spoiled).toBe('flushall ran')
    notesOf.close(notes)
  })

  it('are spoiled beyond half a million parts', () => {
    const notes = notesOf.open(0, key)
    for (let n = 0; n <= 500; n++) {
      const args = argViewOf(['SADD', 'k', ...Array.from({ length: 1_000 }, (_, i) => `${n}:${i}`)])
      notesOf.wrote(specOf(args), args, [{ db: 0, key }])
    }
    expect(notes.spoiled).toBe('more than 500000 parts of it were written to meanwhile')
    expect(notes.size).toBe(0)
    notesOf.close(notes)
  })

  it('take the writes of their stripe from the hot path while they are open', () => {
    const [one, two] = [notesOf.open(0, key), notesOf.open(0, key)]
    expect(board.flags[one.stripe]).toBe(Stripe.noted)
    const ticket = board.hold([one.stripe])
    board.finish(ticket)
    notesOf.close(one)
    expect(board.flags[two.stripe]).toBe(Stripe.noted)
    notesOf.close(two)
    expect(board.flags[two.stripe]).toBe(Stripe.free)
    expect(notesOf.any).toBe(false)
  })
})

describe('places in a string', () => {
  it('are brought together where they overlap or are close', () => {
    const ranges = merged([
      { from: 90_000, below: 90_010 },
      { from: 10, below: 20 },
      { from: 15, below: 5_000 },
      { from: 6_000, below: 6_001 },
      { from: 7, below: 7 },
    ])
    expect(ranges).toEqual([
      { from: 10, below: 6_001 },
      { from: 90_000, below: 90_010 },
    ])
  })
})
