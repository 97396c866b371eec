import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ReadPath } from '../../../src/dispatch/read-path.ts'
import { comparedReplyBytesMax, divergenceEventsPerSecondMax, secondLookMs, secondLooksMax } from '../../../src/limits.ts'
import { FakeSides } from '../../support/fake-sides.ts'

let sides: FakeSides
let reads: ReadPath

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  sides = new FakeSides({ readMode: 'replicated' })
  reads = new ReadPath(sides.core, [], false)
})

afterEach(() => {
  vi.useRealTimers()
})

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
const nil = '$-1\r\n'

/** Both sides answer what they were asked last. */
function answer(source: string, target: string): void {
  sides.source.reply(source)
  sides.target.reply(target)
}

function secondLook(): void {
  vi.advanceTimersByTime(secondLookMs)
}

const divergences = (): number => sides.core.counters.divergencesTotal

describe('a replicated read', () => {
  it('gives the authority’s reply without waiting for the follower', () => {
    sides.read(reads, 'GET k')
    expect([sides.source.commands, sides.target.commands]).toEqual([['GET k'], ['GET k']])
    sides.source.part('$2\r\na')
    expect(sides.taken()).toBe('$2\r\na')
    sides.source.rest('b\r\n')
    expect(sides.taken()).toBe('b\r\n')
    expect(sides.client.replies.length).toBe(0)
    expect(sides.core.counters.sides.source.readsServed).toBe(1)
  })

  it('gives the authority’s reply, not the first one', () => {
    sides.read(reads, 'GET k')
    sides.target.reply(bulk('t'))
    expect(sides.taken()).toBe('')
    sides.source.reply(bulk('s'))
    expect(sides.taken()).toBe(bulk('s'))
    expect(sides.core.counters.sides.target.readsServed).toBe(0)
  })

  it('is asked of the target’s side first where that is the authority', () => {
    sides = new FakeSides({ readMode: 'replicated', phase: 'cutover', writePolicy: 'new-authoritative' })
    sides.core.traffic.cover(16_384)
    sides.read(new ReadPath(sides.core, [], false), 'GET k')
    answer(bulk('s'), bulk('t'))
    expect(sides.taken()).toBe(bulk('t'))
  })

  it('asks nobody again where both say the same', () => {
    sides.read(reads, 'SMEMBERS k')
    answer(`*2\r\n${bulk('a')}${bulk('b')}`, `*2\r\n${bulk('b')}${bulk('a')}`)
    secondLook()
    expect(sides.source.commands).toHaveLength(1)
    expect(divergences()).toBe(0)
  })

  it.each(['OBJECT ENCODING k', 'SRANDMEMBER k', 'RANDOMKEY', 'SSCAN k 0'])('asks the authority alone for %s', (line) => {
    sides.read(reads, line)
    expect(sides.source.commands).toEqual([line])
    expect(sides.target.commands).toEqual([])
  })
})

describe('a difference', () => {
  it('counts once it was seen twice', () => {
    sides.read(reads, 'GET user:1')
    answer(bulk('new'), bulk('o'))
    expect([divergences(), sides.truthOf('user:1')]).toEqual([0, null])
    secondLook()
    answer(bulk('newer'), bulk('o'))
    expect(divergences()).toBe(1)
    expect(sides.core.counters.divergences.get('string')).toBe(1)
    expect(sides.truthOf('user:1')).toBe('source')
    expect(sides.core.events.since(0)).toMatchObject([
      { kind: 'divergence', data: { command: 'get', key: 'user:1', db: 0, sourceBytes: 11, targetBytes: 7 } },
    ])
    expect(sides.taken()).toBe(bulk('new'))
  })

  it('does not count where both sides agree the second time', () => {
    sides.read(reads, 'GET k')
    answer(bulk('a'), bulk('b'))
    secondLook()
    answer(bulk('b'), bulk('b'))
    expect([divergences(), sides.truthOf('k'), sides.core.events.since(0)]).toEqual([0, null, []])
  })

  it.each(['before it is looked at again', 'while it is looked at again'])('does not count where the key is dirty %s', (when) => {
    sides.read(reads, 'GET k')
    answer(bulk('a'), bulk('b'))
    if (when.startsWith('before')) sides.core.journal.mark(0, Buffer.from('k'), 'target', 'test')
    secondLook()
    if (when.startsWith('while')) {
      sides.core.journal.mark(0, Buffer.from('k'), 'target', 'test')
      answer(bulk('a'), bulk('b'))
    }
    expect(sides.source.inFlight).toBe(0)
    expect([divergences(), sides.truthOf('k')]).toEqual([0, 'target'])
  })

  it.each(['source', 'target'] as const)('does not count where the %s is lost on the second look', (side) => {
    sides.read(reads, 'GET k')
    answer(bulk('a'), bulk('b'))
    secondLook()
    sides[side].lose()
    expect([divergences(), sides.truthOf('k')]).toEqual([0, null])
  })

  it('names the keys that differ of those that were read', () => {
    sides.read(reads, 'MGET a b c')
    const [source, target] = [`*3\r\n${bulk('1')}${bulk('2')}${nil}`, `*3\r\n${bulk('1')}${bulk('x')}${nil}`]
    answer(source, target)
    secondLook()
    answer(source, target)
    expect(['a', 'b', 'c'].map((key) => sides.truthOf(key))).toEqual([null, 'source', null])
  })

  it('is found in replies that are too long to be kept', () => {
    const [source, target] = ['a', 'b'].map((char) => bulk(char.repeat(comparedReplyBytesMax))) as [string, string]
    sides.read(reads, 'GET k')
    answer(source, source)
    secondLook()
    expect(sides.source.commands).toHaveLength(1)
    sides.read(reads, 'GET k')
    answer(source, target)
    secondLook()
    answer(source, target)
    expect(sides.truthOf('k')).toBe('source')
  })

  it('is told so often a second, and counted every time', () => {
    const many = divergenceEventsPerSecondMax * 3
    for (let i = 0; i < many; i++) {
      sides.read(reads, `GET k${i}`)
      answer(bulk('a'), bulk('b'))
    }
    secondLook()
    for (let i = 0; i < many; i++) answer(bulk('a'), bulk('b'))
    expect(divergences()).toBe(many)
    // The clock is the real one: a second may end in between.
    expect(sides.core.events.since(0).length).toBeLessThanOrEqual(2 * divergenceEventsPerSecondMax)
  })

  it('is passed over where too many wait already', () => {
    for (let i = 0; i < secondLooksMax + 5; i++) {
      sides.read(reads, 'GET k')
      answer(bulk('a'), bulk('b'))
    }
    secondLook()
    expect(sides.source.inFlight).toBe(secondLooksMax)
    // The first marks the key; those behind it find it in the journal, and make room again.
    for (let i = 0; i < secondLooksMax; i++) answer(bulk('a'), bulk('b'))
    expect(divergences()).toBe(1)
    sides.core.journal.clear()
    sides.read(reads, 'GET k')
    answer(bulk('a'), bulk('b'))
    secondLook()
    expect(sides.source.inFlight).toBe(1)
  })
})

describe('before everything was copied', () => {
  beforeEach(() => {
    sides.core.traffic.cover(0)
  })

  it('a key that the follower lacks is no difference', () => {
    sides.read(reads, 'GET k')
    answer(bulk('a'), nil)
    secondLook()
    expect(sides.source.commands).toHaveLength(1)
  })

  it('any other difference is mended, and does not count', () => {
    sides.read(reads, 'GET k')
    answer(bulk('a'), bulk('b'))
    secondLook()
    answer(bulk('a'), bulk('b'))
    expect([divergences(), sides.truthOf('k')]).toEqual([0, 'source'])
  })
})

describe('a side that is lost', () => {
  it('the authority before its reply: the client is told', () => {
    sides.read(reads, 'GET k')
    sides.target.reply(bulk('t'))
    sides.source.lose()
    expect(sides.taken()).toMatch(/^-ERR FERRY unknown-outcome: source was lost/)
  })

  it('the authority in the middle of its reply: the client is cut off', () => {
    sides.read(reads, 'GET k')
    sides.source.part('$100\r\nabc')
    sides.source.lose(true)
    expect(sides.aborted).toMatch(/source was lost/)
  })

  it('the follower: the client does not notice, and nothing is compared', () => {
    sides.read(reads, 'GET k')
    sides.target.lose()
    sides.source.reply(bulk('s'))
    secondLook()
    expect(sides.taken()).toBe(bulk('s'))
    expect(sides.source.commands).toHaveLength(1)
  })

  it('the follower before: only the authority is asked', () => {
    sides.target.lose()
    sides.read(reads, 'GET k')
    sides.source.reply(bulk('s'))
    expect([sides.taken(), sides.target.commands]).toEqual([bulk('s'), []])
  })
})
