/** Transactions on their way to two sides that answer when the test says. */
import { beforeEach, expect, it } from 'vitest'
import { type Block, makeBlock } from '../../../src/dispatch/block.ts'
import { framesIn, specOf } from '../../../src/dispatch/command-keys.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { ScriptPath } from '../../../src/dispatch/script-path.ts'
import { TransactionPath } from '../../../src/dispatch/transaction-path.ts'
import { WritePath } from '../../../src/dispatch/write-path.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const server = { family: 'redis', version: '7.4.2' }
const lanes = { lane: () => ({ server, clockOffsetMs: 0, up: false }) } as unknown as Lanes

let sides: FakeSides
let writes: WritePath
let path: TransactionPath

beforeEach(() => {
  sides = new FakeSides()
  writes = new WritePath(sides.core, lanes, new ScriptPath(sides.core, lanes, []))
  path = new TransactionPath(sides.core, lanes, writes)
})

function blockOf(...lines: string[]): Block {
  const queued = lines.map((line) => {
    const bytes = encodeCommand(line.split(' '))
    const [args] = framesIn(bytes, 0, bytes.length)
    if (args === undefined) throw new Error('no frame')
    return { spec: specOf(args), bytes, db: 0 }
  })
  return makeBlock(writes.carrier, sides.client.pair, queued, server, null)
}

const factsOfCall = (): boolean => {
  const bytes = encodeCommand(['FCALL', 'f', '0'])
  const [args] = framesIn(bytes, 0, bytes.length)
  if (args === undefined) throw new Error('no frame')
  return writes.scripts.callOf(specOf(args), args, { buf: bytes, start: 0, end: bytes.length, pieces: null }).facts.declaredOnly
}

it('changes libraries until both sides have answered, and what their functions do is not known meanwhile', () => {
  const { libraries } = sides.core
  expect(path.execute(sides.client, blockOf('FUNCTION LOAD code', 'SET a 1'))).toBe('sent')
  const before = libraries.changes
  expect([libraries.underWay, factsOfCall()]).toEqual([1, false])
  sides.source.reply('+OK\r\n+QUEUED\r\n+QUEUED\r\n')
  sides.source.reply('*2\r\n$1\r\nl\r\n+OK\r\n')
  expect([sides.taken(), libraries.underWay]).toEqual(['*2\r\n$1\r\nl\r\n+OK\r\n', 1])
  sides.target.reply('+OK\r\n+QUEUED\r\n+QUEUED\r\n')
  sides.target.reply('*2\r\n$1\r\nl\r\n+OK\r\n')
  expect([libraries.underWay, libraries.changes > before, libraries.problem]).toEqual([0, true, null])
})

it.each([
  ['EXEC did not run', () => sides.source.reply('-EXECABORT Transaction discarded because of previous errors.\r\n'), true],
  ['the authority was lost', () => sides.source.lose(), false],
  [
    'the follower is away',
    () => {
      sides.target.up = false
      sides.source.reply('*1\r\n$1\r\nl\r\n')
    },
    false,
  ],
  [
    'the follower is lost',
    () => {
      sides.source.reply('*1\r\n$1\r\nl\r\n')
      sides.target.lose()
    },
    false,
  ],
])('does not change libraries any more where %s', (_what, end, alike) => {
  path.execute(sides.client, blockOf('FUNCTION LOAD code'))
  sides.source.reply('+OK\r\n+QUEUED\r\n')
  end()
  expect(sides.core.libraries.underWay).toBe(0)
  expect(sides.core.libraries.problem === null).toBe(alike)
})

it('takes nothing for granted where MULTI itself was refused', () => {
  path.execute(sides.client, blockOf('SPOP s', 'INCR n'))
  sides.source.reply('-NOPERM no multi\r\n$1\r\na\r\n:1\r\n')
  sides.source.reply('-ERR EXEC without MULTI\r\n')
  expect([sides.taken(), sides.truthOf('s'), sides.truthOf('n')]).toEqual(['-ERR EXEC without MULTI\r\n', 'source', 'source'])
})
