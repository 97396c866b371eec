import { beforeEach, describe, expect, it } from 'vitest'
import { ReadPath } from '../../../src/dispatch/read-path.ts'
import { FakeSides } from '../../support/fake-sides.ts'

let sides: FakeSides
let reads: ReadPath

beforeEach(() => {
  sides = new FakeSides({ readMode: 'fallback-on-miss' })
  reads = new ReadPath(sides.core, [], false)
})

const value = '$5\r\nhello\r\n'
const nil = '$-1\r\n'

describe('a read in fallback-on-miss', () => {
  it('asks the target, and only it where it has the key', () => {
    sides.read(reads, 'GET k')
    sides.target.reply(value)
    expect(sides.taken()).toBe(value)
    expect(sides.source.commands).toEqual([])
    expect(sides.core.counters.sides.target).toMatchObject({ commands: 1, ok: 1, readsServed: 1 })
  })

  it.each([
    ['GET k', nil, value],
    ['GET k', '_\r\n', value],
    ['HGETALL k', '*0\r\n', '*2\r\n$1\r\na\r\n$1\r\n1\r\n'],
    ['HGETALL k', '%0\r\n', '%1\r\n$1\r\na\r\n$1\r\n1\r\n'],
    ['EXISTS k', ':0\r\n', ':1\r\n'],
    ['TTL k', ':-2\r\n', ':-1\r\n'],
    ['TYPE k', '+none\r\n', '+set\r\n'],
    ['GET k', '-WRONGTYPE x\r\n', value],
    ['GET k', '-LOADING x\r\n', '-WRONGTYPE y\r\n'],
  ])('%s: %j on the target gives the source’s word', (line, missed, had) => {
    sides.read(reads, line)
    sides.target.reply(missed)
    expect(sides.taken()).toBe('')
    expect(sides.source.commands).toEqual([line])
    sides.source.reply(had)
    expect(sides.taken()).toBe(had)
    expect(sides.core.counters.sides.source.readsServed).toBe(1)
    expect(sides.core.counters.sides.target.readsServed).toBe(0)
  })

  it('fills in the elements that the target lacks', () => {
    sides.read(reads, 'MGET a b c d')
    sides.target.reply(`*4\r\n${value}${nil}${nil}${value}`)
    sides.source.reply('*4\r\n$1\r\nw\r\n$1\r\nx\r\n$-1\r\n$1\r\nz\r\n')
    expect(sides.taken()).toBe(`*4\r\n${value}$1\r\nx\r\n${nil}${value}`)
  })

  it('gives the source’s error rather than half a reply', () => {
    sides.read(reads, 'MGET a b')
    sides.target.reply(`*2\r\n${value}${nil}`)
    sides.source.reply('-NOPERM x\r\n')
    expect(sides.taken()).toBe('-NOPERM x\r\n')
  })

  it('sends a long reply on as it comes', () => {
    sides.read(reads, 'GET k')
    sides.target.part(`$100\r\n${'a'.repeat(10)}`)
    expect(sides.taken()).toBe('')
    sides.target.part('a'.repeat(40))
    expect(sides.taken()).toBe(`$100\r\n${'a'.repeat(50)}`)
    sides.target.rest(`${'a'.repeat(50)}\r\n`)
    expect(sides.taken()).toBe(`${'a'.repeat(50)}\r\n`)
    expect(sides.source.commands).toEqual([])
  })

  it('keeps the order of the client’s replies', () => {
    sides.read(reads, 'GET a')
    sides.read(reads, 'GET b')
    sides.target.reply(nil)
    sides.target.reply('$1\r\nb\r\n')
    expect(sides.taken()).toBe('')
    sides.source.reply('$1\r\na\r\n')
    expect(sides.taken()).toBe('$1\r\na\r\n$1\r\nb\r\n')
  })

  it('asks in the protocol and database that the command came in', () => {
    sides.read(reads, 'GET k')
    const { client } = sides as { client: { context: number } }
    client.context = 7
    sides.target.reply(nil)
    expect(sides.source.context).toBe(2)
  })
})

describe('reads that a miss cannot be seen in', () => {
  it.each(['EXISTS a b', 'SUNION a b', 'MEMORY USAGE k SAMPLES 0', 'RANDOMKEY'])('%s', (line) => {
    sides.core.traffic.cover(0)
    sides.read(reads, line)
    const asked = [...sides.source.commands, ...sides.target.commands]
    expect(asked).toEqual([line])
  })

  it('goes to the source while the copy is not through, to the target after it', () => {
    sides.read(reads, 'SUNION a b')
    expect(sides.target.commands).toEqual(['SUNION a b'])
    sides.core.traffic.cover(0)
    sides.read(reads, 'SUNION c d')
    expect(sides.source.commands).toEqual(['SUNION c d'])
  })

  it('asks the target alone where it is the authority', () => {
    sides = new FakeSides({ readMode: 'fallback-on-miss', phase: 'cutover', writePolicy: 'new-authoritative' })
    sides.read(new ReadPath(sides.core, [], false), 'GET k')
    sides.target.reply(nil)
    expect([sides.taken(), sides.source.commands]).toEqual([nil, []])
  })
})

describe('a write right behind the read', () => {
  it('does not overtake it on the source', () => {
    sides.read(reads, 'GET k')
    expect(reads.unsettled(sides.client)).toBe(true)
    reads.settle(sides.client)
    expect(sides.source.commands).toEqual(['GET k'])
    expect(reads.unsettled(sides.client)).toBe(false)
  })

  it.each([
    ['target', nil, value],
    ['source', nil, value],
    ['target', '$1\r\nt\r\n', '$1\r\nt\r\n'],
    ['source', '$1\r\nt\r\n', '$1\r\nt\r\n'],
  ] as const)('and the %s answering first changes nothing: the target says %j', (first, targets, client) => {
    sides.read(reads, 'GET k')
    reads.settle(sides.client)
    if (first === 'target') sides.target.reply(targets)
    sides.source.reply(value)
    if (first === 'source') sides.target.reply(targets)
    expect(sides.taken()).toBe(client)
    expect(sides.source.commands).toEqual(['GET k'])
    expect(sides.client.replies.length).toBe(0)
  })

  it('has nothing to wait for once the target has answered', () => {
    sides.read(reads, 'GET k')
    sides.target.reply(value)
    expect(reads.unsettled(sides.client)).toBe(false)
  })
})

describe('a side that is lost', () => {
  it('the target: the source is asked', () => {
    sides.read(reads, 'GET k')
    sides.target.lose()
    sides.source.reply(value)
    expect(sides.taken()).toBe(value)
  })

  it('the target in the middle of a short reply: the source is asked', () => {
    sides.read(reads, 'GET k')
    sides.target.part('$5\r\nhe')
    sides.target.lose(true)
    sides.source.reply(value)
    expect(sides.taken()).toBe(value)
  })

  it('the target in the middle of a reply that the client has begun to read: the client is cut off', () => {
    sides.read(reads, 'GET k')
    sides.target.part(`$100\r\n${'a'.repeat(50)}`)
    sides.target.lose(true)
    expect(sides.aborted).toMatch(/target was lost/)
    expect(sides.source.commands).toEqual([])
  })

  it('the source after the target’s miss: the client is told, and not that there is no such key', () => {
    sides.read(reads, 'GET k')
    sides.target.reply(nil)
    sides.source.lose()
    expect(sides.taken()).toMatch(/^-ERR FERRY unknown-outcome: source was lost/)
  })

  it('the source before it could be asked: likewise', () => {
    sides.read(reads, 'GET k')
    sides.source.lose()
    sides.target.reply(nil)
    expect(sides.taken()).toMatch(/^-ERR FERRY authority-unavailable: source is not reachable/)
  })

  it('both, one after the other, while both were asked', () => {
    for (const order of [['target', 'source'] as const, ['source', 'target'] as const]) {
      const both = new FakeSides({ readMode: 'fallback-on-miss' })
      const path = new ReadPath(both.core, [], false)
      both.read(path, 'GET k')
      path.settle(both.client)
      for (const side of order) both[side].lose()
      expect(both.taken()).toMatch(/^-ERR FERRY unknown-outcome/)
      expect(both.client.replies.length).toBe(0)
    }
  })

  it('the source, needlessly asked: the target’s hit counts', () => {
    sides.read(reads, 'GET k')
    reads.settle(sides.client)
    sides.source.lose()
    sides.target.reply(value)
    expect(sides.taken()).toBe(value)
  })
})

describe('read repair', () => {
  beforeEach(() => {
    reads = new ReadPath(sides.core, [], true)
  })

  it('marks the key that only the source had', () => {
    sides.read(reads, 'GET k')
    sides.target.reply(nil)
    sides.source.reply(value)
    expect(sides.truthOf('k')).toBe('source')
  })

  it('marks those keys of many that only the source had', () => {
    sides.read(reads, 'MGET a b c')
    sides.target.reply(`*3\r\n${value}${nil}${nil}`)
    sides.source.reply(`*3\r\n${value}${value}${nil}`)
    expect(['a', 'b', 'c'].map((key) => sides.truthOf(key))).toEqual([null, 'source', null])
  })

  it('marks the one key of many elements', () => {
    sides.read(reads, 'HMGET h f g')
    sides.target.reply(`*2\r\n${value}${nil}`)
    sides.source.reply(`*2\r\n${value}${value}`)
    expect(sides.truthOf('h')).toBe('source')
  })

  it.each([
    ['the source did not have it either', nil, nil],
    ['the source refused', nil, '-NOPERM x\r\n'],
    ['the target refused', '-LOADING x\r\n', value],
  ])('marks nothing where %s', (_, targets, sources) => {
    sides.read(reads, 'GET k')
    sides.target.reply(targets)
    sides.source.reply(sources)
    expect(sides.truthOf('k')).toBeNull()
  })

  it('is off unless it was asked for', () => {
    sides.read(new ReadPath(sides.core, [], false), 'GET k')
    sides.target.reply(nil)
    sides.source.reply(value)
    expect(sides.truthOf('k')).toBeNull()
  })
})

describe('a key in the journal', () => {
  it('is read from the side that has the truth', () => {
    sides.core.journal.mark(0, Buffer.from('k'), 'source', 'test')
    sides.read(reads, 'GET k')
    expect([sides.source.commands, sides.target.commands]).toEqual([['GET k'], []])
  })
})
