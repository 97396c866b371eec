import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ReadPath } from '../../../src/dispatch/read-path.ts'
import { secondLookMs } from '../../../src/limits.ts'
import { FakeSides } from '../../support/fake-sides.ts'

let sides: FakeSides
let reads: ReadPath

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  sides = new FakeSides({ readMode: 'version-compare' })
  reads = new ReadPath(
    sides.core,
    [
      { pattern: 'h:*', kind: 'hash-field', field: 'v' },
      { pattern: 'n:*', kind: 'number' },
      { pattern: 'c:*', kind: 'companion-key', suffix: ':version' },
    ],
    false,
  )
})

afterEach(() => {
  vi.useRealTimers()
})

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
const nil = '$-1\r\n'

function answer(source: string, target: string): void {
  sides.source.reply(source)
  sides.target.reply(target)
}

function secondLook(): void {
  vi.advanceTimersByTime(secondLookMs)
}

describe('a read in version-compare', () => {
  it('asks both sides for the value and, right behind it, its version', () => {
    sides.read(reads, 'HGET h:1 name')
    const asked = ['HGET h:1 name', 'HGET h:1 v']
    expect([sides.source.commands, sides.target.commands]).toEqual([asked, asked])
    answer(bulk('old') + bulk('9'), bulk('new') + bulk('10'))
    expect(sides.taken()).toBe(bulk('new'))
    expect(sides.core.counters.sides.target.readsServed).toBe(1)
  })

  it('finds the version in the value where the value is what was read', () => {
    sides.read(reads, 'GET n:1')
    expect(sides.source.commands).toEqual(['GET n:1'])
    answer(bulk('7'), bulk('6'))
    expect(sides.taken()).toBe(bulk('7'))
  })

  it('asks for the value where something else was read', () => {
    sides.read(reads, 'STRLEN n:1')
    answer(`:1\r\n${bulk('7')}`, `:2\r\n${bulk('10')}`)
    expect(sides.source.commands).toEqual(['STRLEN n:1', 'GET n:1'])
    expect(sides.taken()).toBe(':2\r\n')
  })

  it.each([
    ['the same versions', bulk('1'), bulk('1')],
    ['no version on the follower', bulk('1'), nil],
    ['no version on the authority', nil, bulk('1')],
    ['no version at all', nil, nil],
    ['a version that may not be read', '-NOPERM x\r\n', bulk('2')],
  ])('gives the authority’s reply with %s', (_, source, target) => {
    sides.read(reads, 'LRANGE c:1 0 -1')
    answer(`*1\r\n${bulk('s')}${source}`, `*1\r\n${bulk('t')}${target}`)
    expect(sides.taken()).toBe(`*1\r\n${bulk('s')}`)
    secondLook()
    expect([sides.source.commands.length, sides.truthOf('c:1')]).toEqual([2, null])
  })

  it.each(['GET other', 'MGET n:1 n:2', 'DBSIZE'])('asks the authority alone where there is no rule: %s', (line) => {
    sides.read(reads, line)
    expect([sides.source.commands, sides.target.commands]).toEqual([[line], []])
  })

  it('leaves a key in the journal to the side that has the truth', () => {
    sides.core.journal.mark(0, Buffer.from('n:1'), 'target', 'test')
    sides.read(reads, 'GET n:1')
    expect([sides.source.commands, sides.target.commands]).toEqual([[], ['GET n:1']])
  })
})

describe('the older side', () => {
  it.each([
    ['source', '5', '4'],
    ['target', '4', '5'],
  ])('is mended from the %s once it was older twice', (newer, source, target) => {
    sides.read(reads, 'HGETALL h:1')
    answer(`*0\r\n${bulk(source)}`, `*0\r\n${bulk(target)}`)
    expect(sides.truthOf('h:1')).toBeNull()
    secondLook()
    expect(sides.source.commands.slice(2)).toEqual(['HGETALL h:1', 'HGET h:1 v'])
    answer(`*0\r\n${bulk(source)}`, `*0\r\n${bulk(target)}`)
    expect(sides.truthOf('h:1')).toBe(newer)
    expect(sides.core.counters.divergencesTotal).toBe(1)
  })

  it('is not touched where it has caught up', () => {
    sides.read(reads, 'GET n:1')
    answer(bulk('4'), bulk('5'))
    secondLook()
    answer(bulk('5'), bulk('5'))
    expect(sides.truthOf('n:1')).toBeNull()
  })

  it('does not take over what was written meanwhile: a mark that came in between stays', () => {
    sides.read(reads, 'GET n:1')
    answer(bulk('4'), bulk('5'))
    secondLook()
    sides.core.journal.mark(0, Buffer.from('n:1'), 'source', 'a write that the target refused')
    answer(bulk('6'), bulk('7'))
    expect(sides.truthOf('n:1')).toBe('source')
  })

  it('is not the authority as long as the key was not copied', () => {
    sides.core.traffic.cover(0)
    sides.read(reads, 'GET n:1')
    answer(bulk('4'), bulk('5'))
    secondLook()
    answer(bulk('4'), bulk('5'))
    expect(sides.truthOf('n:1')).toBeNull()
  })
})

describe('a side that is lost', () => {
  it.each([
    ['source', 'target'],
    ['target', 'source'],
  ] as const)('the %s: the client gets what the other says', (lost, left) => {
    sides.read(reads, 'HGET h:1 name')
    sides[lost].lose()
    expect(sides.taken()).toBe('')
    sides[left].reply(bulk('value') + bulk('1'))
    expect(sides.taken()).toBe(bulk('value'))
  })

  it('the authority, after the other has answered', () => {
    sides.read(reads, 'GET n:1')
    sides.target.reply(bulk('5'))
    sides.source.lose(true)
    expect(sides.taken()).toBe(bulk('5'))
  })

  it('the authority before the key was copied: the client is told', () => {
    sides.core.traffic.cover(0)
    sides.read(reads, 'GET n:1')
    sides.target.reply(nil)
    sides.source.lose()
    expect(sides.taken()).toMatch(/^-ERR FERRY unknown-outcome: source was lost/)
  })

  it('both', () => {
    sides.read(reads, 'GET n:1')
    sides.target.lose()
    sides.source.lose()
    expect(sides.taken()).toMatch(/^-ERR FERRY unknown-outcome/)
  })
})
