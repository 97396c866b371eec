/** EXEC on a connection of its own, where the servers do not answer in time. */
import { afterEach, expect, it } from 'vitest'
import { type Block, makeBlock } from '../../../src/dispatch/block.ts'
import { framesIn, specOf } from '../../../src/dispatch/command-keys.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { ScriptPath } from '../../../src/dispatch/script-path.ts'
import { WatchedRun } from '../../../src/dispatch/watched-run.ts'
import { WritePath } from '../../../src/dispatch/write-path.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { startFakeRedis } from '../../support/fake-redis.ts'
import { FakeSides } from '../../support/fake-sides.ts'
import { laneTo } from '../../support/lane-fixture.ts'
import { until } from '../../support/wait.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

const limits = { drainMs: 20, answerMs: 20 }
const server = { family: 'redis', version: '7.4.2' }
const errand = { servers: { authority: server, follower: server }, sight: null, watched: true, over: () => undefined }

async function setup(
  drained: boolean,
): Promise<{ sides: FakeSides; lanes: Lanes; lane: Lane; block: Block; commands: string[] }> {
  const fake = await startFakeRedis()
  const { lane, up } = laneTo(fake.port)
  cleanups.push(() => {
    lane.close()
    fake.stop()
  })
  lane.connect()
  await up()
  const sides = new FakeSides()
  const lanes = {
    whenAnswered: (_side: string, done: (answered: boolean) => void) => drained && done(true),
    lane: () => ({ server, clockOffsetMs: 0 }),
  } as unknown as Lanes
  const bytes = encodeCommand(['INCR', 'a'])
  const [args] = framesIn(bytes, 0, bytes.length)
  if (args === undefined) throw new Error('no frame')
  const queued = { spec: specOf(args), bytes, db: 0 }
  const writes = new WritePath(sides.core, lanes, new ScriptPath(sides.core, lanes, []))
  const block = makeBlock(writes.carrier, sides.client.pair, [queued], server, null)
  return { sides, lanes, lane, block, commands: (await fake.connection(1)).commands }
}

it('is not sent where the lanes do not run dry, and answered as if a watched key had changed', async () => {
  const { sides, lanes, lane, block, commands } = await setup(false)
  const told: string[] = []
  const done = (sent: boolean): void => void told.push(`done, sent: ${sent}`)
  const inTurn = (follow: () => void): void => {
    told.push('keys let go')
    follow()
  }
  new WatchedRun(sides.core, lanes, sides.client, block, { lane }, { ...errand, inTurn, done }, limits).start()
  await until(() => told.length === 2, { what: 'the end' })
  expect([told, sides.taken(), commands]).toEqual([['keys let go', 'done, sent: false'], '*-1\r\n', []])
  expect(sides.truthOf('a')).toBeNull()
})

it('is cut off where its answer does not come, and its keys are copied', async () => {
  const { sides, lanes, lane, block, commands } = await setup(true)
  let [released, ended] = [false, false]
  const done = (): void => {
    ended = true
  }
  const inTurn = (follow: () => void): void => {
    released = true
    follow()
  }
  // A copy in pieces that began when the transaction had been looked at, and was not sent.
  const notes = sides.core.notes.open(0, Buffer.from('a'))
  new WatchedRun(sides.core, lanes, sides.client, block, { lane }, { ...errand, inTurn, done }, limits).start()
  await until(() => ended, { what: 'the end' })
  expect(sides.taken()).toBe(
    '-ERR FERRY unknown-outcome: source was lost before it answered (no answer to EXEC within 20 ms)\r\n',
  )
  expect(notes.spoiled).toBe('a transaction may have changed any part of it')
  expect([released, sides.truthOf('a'), lane.orphaned]).toEqual([true, 'source', true])
  expect(commands).toEqual(['MULTI', 'INCR a', 'EXEC'])
})
