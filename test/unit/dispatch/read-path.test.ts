import { describe, expect, it } from 'vitest'
import { framesIn, specOf } from '../../../src/dispatch/command-keys.ts'
import { ReadPath } from '../../../src/dispatch/read-path.ts'
import { cursorsPerClientMax } from '../../../src/limits.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { slotOf } from '../../../src/routing/slot.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const cursorReply = '*2\r\n$1\r\n5\r\n*0\r\n'

function onTarget(): { sides: FakeSides; reads: ReadPath } {
  const sides = new FakeSides({ readMode: 'new' })
  return { sides, reads: new ReadPath(sides.core, [], false) }
}

describe('a cursor', () => {
  it('stays with the side that gave it, by key', () => {
    const { sides, reads } = onTarget()
    sides.read(reads, 'SSCAN a 0')
    sides.core.journal.mark(0, Buffer.from('b'), 'source', 'test')
    sides.read(reads, 'SSCAN b 0')
    expect([sides.source.commands, sides.target.commands]).toEqual([['SSCAN b 0'], ['SSCAN a 0']])
    sides.core.journal.clear()
    sides.core.journal.mark(0, Buffer.from('a'), 'source', 'test')
    sides.read(reads, 'SSCAN a 5')
    sides.read(reads, 'SSCAN b 5')
    expect([sides.source.commands.at(-1), sides.target.commands.at(-1)]).toEqual(['SSCAN b 5', 'SSCAN a 5'])
  })

  it('begins anew where the key is read now', () => {
    const { sides, reads } = onTarget()
    sides.read(reads, 'SSCAN a 0')
    sides.core.journal.mark(0, Buffer.from('a'), 'source', 'test')
    sides.read(reads, 'SSCAN a 0')
    sides.read(reads, 'SSCAN a 5')
    expect(sides.source.commands).toEqual(['SSCAN a 0', 'SSCAN a 5'])
  })

  it('is forgotten where there are too many', () => {
    const { sides, reads } = onTarget()
    sides.core.journal.mark(0, Buffer.from('k'), 'source', 'test')
    sides.read(reads, 'SSCAN k 0')
    sides.core.journal.clear()
    sides.source.reply(cursorReply)
    for (let i = 0; i < cursorsPerClientMax; i++) {
      sides.read(reads, `SSCAN other${i} 0`)
      sides.target.reply(cursorReply)
    }
    sides.read(reads, 'SSCAN k 5')
    expect(sides.source.commands).toEqual(['SSCAN k 0'])
  })
})

describe('in the modes that ask more than one side', () => {
  it.each(['fallback-on-miss', 'version-compare', 'replicated'] as const)('%s: a cursor comes from the authority', (readMode) => {
    const sides = new FakeSides({ readMode, readPercentage: 100, ratioBy: 'connection' })
    sides.read(new ReadPath(sides.core, [], false), 'HSCAN k 0')
    expect([sides.source.commands, sides.target.commands]).toEqual([['HSCAN k 0'], []])
  })
})

describe('a read of the follower', () => {
  it('of keys that data names goes to the authority', () => {
    const { sides, reads } = onTarget()
    sides.read(reads, 'SORT_RO k BY w_*')
    expect([sides.source.commands, sides.target.commands]).toEqual([['SORT_RO k BY w_*'], []])
  })

  it('that is lost is asked of the authority, also a large one', () => {
    const { sides, reads } = onTarget()
    const name = 'x'.repeat(70_000)
    const frame = encodeCommand(['GET', name])
    for (const args of framesIn(frame, 0, frame.length)) {
      const pieces = [frame.subarray(0, 65_536), frame.subarray(65_536)]
      reads.read(sides.client, specOf(args), args, { buf: frame, start: 0, end: 0, pieces })
    }
    expect(sides.target.commands).toEqual([`GET ${name}`])
    sides.target.lose()
    expect(sides.source.commands).toEqual([`GET ${name}`])
    sides.source.reply('$1\r\nv\r\n')
    expect(sides.taken()).toBe('$1\r\nv\r\n')
  })
})

describe('ratio by slot', () => {
  it('reads several keys from the target only where all of them are there', () => {
    const sides = new FakeSides({ readMode: 'ratio', readPercentage: 50 })
    const reads = new ReadPath(sides.core, [], false)
    const key = (low: boolean): string => {
      for (let i = 0; ; i++) {
        const name = Buffer.from(`k${i}`)
        if (slotOf(name, 0, name.length) < 8192 === low) return name.toString()
      }
    }
    const [low, high] = [key(true), key(false)]
    sides.read(reads, `MGET ${low} ${high}`)
    sides.read(reads, `MGET ${low} ${low}`)
    expect([sides.source.commands, sides.target.commands]).toEqual([[`MGET ${low} ${high}`], [`MGET ${low} ${low}`]])
  })
})
