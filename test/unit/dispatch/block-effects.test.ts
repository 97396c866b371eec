/** What the follower gets of a transaction, from what EXEC answered. */
import { describe, expect, it } from 'vitest'
import { makeBlock } from '../../../src/dispatch/block.ts'
import { followerPart } from '../../../src/dispatch/block-effects.ts'
import { framesIn, specOf } from '../../../src/dispatch/command-keys.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { ScriptPath } from '../../../src/dispatch/script-path.ts'
import { WritePath } from '../../../src/dispatch/write-path.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const server = { family: 'redis', version: '7.4.2' }
const lanes = { lane: () => ({ server, clockOffsetMs: 0 }) } as unknown as Lanes
const { core, client } = new FakeSides()
const writes = new WritePath(core, lanes, new ScriptPath(core, lanes, ['ab'.repeat(20)]))

interface Told {
  sent: string[]
  copied: string[]
  /** The same keys, each with its database. */
  places: string[]
  all: string | null
}

/** Commands with the reply of each: what is sent on, what is copied, whether everything is in doubt. */
function told(...pairs: readonly (readonly [string, string])[]): Told {
  const queued = pairs.map(([line]) => {
    const bytes = encodeCommand(line.split(' '))
    const [args] = framesIn(bytes, 0, bytes.length)
    if (args === undefined) throw new Error('no frame')
    return { spec: specOf(args), bytes, db: 0 }
  })
  const { commands } = makeBlock(writes.carrier, client.pair, queued, server, null)
  const replies = pairs.map(([, reply]) => ({ own: Buffer.from(`${reply}\r\n`), companion: null }))
  const { steps, doubted, doubtAll } = followerPart(commands, replies, { authority: server, follower: server })
  const words = (frame: Buffer): string =>
    frame
      .toString()
      .split('\r\n')
      .filter((_, i) => i > 0 && i % 2 === 0)
      .join(' ')
  return {
    sent: steps.map(({ frame }) => words(frame)),
    copied: doubted.map(({ key }) => key.toString()),
    places: doubted.map(({ db, key }) => `${db}:${key}`),
    all: doubtAll,
  }
}

describe('the follower', () => {
  it('gets plain commands as they are, effects as their replies tell them, and no reads', () => {
    const { sent, copied, all } = told(
      ['SET a 1', '+OK'],
      ['GET a', '$1\r\n1'],
      ['INCRBYFLOAT f 1.5', '$3\r\n1.5'],
      ['SPOP s', '$1\r\nx'],
    )
    expect([sent, copied, all]).toEqual([['SET a 1', 'SET f 1.5 KEEPTTL', 'SREM s x'], [], null])
  })

  it('gets nothing of what failed, or changed nothing', () => {
    expect(told(['INCR text', '-ERR value is not an integer'], ['SPOP s', '$-1'], ['SET a 1', '+OK'])).toEqual({
      sent: ['SET a 1'],
      copied: [],
      places: [],
      all: null,
    })
  })

  it('does not compute anything from a key that is to be copied', () => {
    const { sent, copied } = told(
      ['SET before 1', '+OK'],
      ['EVAL script 1 k', ':1'],
      ['RENAME k j', '+OK'],
      ['SUNIONSTORE u j other', ':1'],
      ['SET plain 1', '+OK'],
    )
    expect(sent).toEqual(['SET before 1', 'SET plain 1'])
    expect(copied).toEqual(expect.arrayContaining(['k', 'j', 'u']))
  })

  it('has what is to be copied under the name that a SWAPDB gave it, and computes nothing from it', () => {
    const swapped = told(['EVAL script 1 k', ':1'], ['SWAPDB 0 1', '+OK'], ['SET a 1', '+OK'])
    expect([swapped.sent, swapped.places]).toEqual([
      ['SWAPDB 0 1', 'SET a 1'],
      ['0:k', '1:k'],
    ])
    const elsewhere = told(['EVAL script 1 k', ':1'], ['SWAPDB 2 3', '+OK'], ['SWAPDB 0 1', '-ERR no'])
    expect(elsewhere.places).toEqual(['0:k'])
  })

  it('does not run a script that may read any key where the block changed one on the authority alone', () => {
    const rerun = ['EVALSHA ', 'ab'.repeat(20), ' 1 k'].join('')
    const [alone, mixed] = [told([rerun, ':1'], ['SET a 1', '+OK']), told([rerun, ':1'], ['EVAL script 1 j', ':1'])]
    expect([alone.sent, alone.copied]).toEqual([[rerun, 'SET a 1'], []])
    expect([mixed.sent, mixed.copied]).toEqual([[], ['k', 'j']])
  })

  it('may differ in what a script wrote before it failed, but not in one that the server did not have', () => {
    expect(told(['EVAL script 1 k', '-ERR user_script:1: oops']).copied).toEqual(['k'])
    expect(told(['EVALSHA abc 1 k', '-NOSCRIPT No matching script']).copied).toEqual([])
  })

  it('may differ anywhere after a command that nobody knows, if it ran', () => {
    expect(told(['NOSUCH a', '+OK']).all).toContain('does not know')
    expect(told(['NOSUCH a', '-ERR unknown command']).all).toBeNull()
    expect(told(['NOSUCH a', '-ERR half of it failed']).all).toContain('does not know')
  })
})
