/** A target that holds somebody else's data: nothing of it may be lost, until somebody says that it may. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../../src/state/store.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { runCli } from '../../support/cli.ts'
import { differencesOf, Ferry, type FerrySettings } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { stateOf } from '../../support/server-state.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { WireClient } from '../../support/wire-client.ts'

const keys = 300
const found = new RegExp(
  `the target is not empty \\(database 0: ${keys} keys, e\\.g\\. "theirs:\\d+"; database 3: 1 key, e\\.g\\. "more"\\)`,
)

let source: RedisServer
let target: RedisServer
let ferry: Ferry
const cleanups: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  await fill(source, 'ours')
  await fill(target, 'theirs')
  const more = target.client()
  await more.select(3)
  await more.set('more', '1')
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await Promise.all([source.stop(), target.stop()])
})

async function fill(server: RedisServer, prefix: string): Promise<void> {
  const pipeline = server.client().pipeline()
  for (let n = 0; n < keys; n++) pipeline.hset(`${prefix}:${n}`, 'of', prefix, 'n', n)
  await pipeline.exec()
}

async function open(settings: Partial<FerrySettings> = {}): Promise<void> {
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled, ...settings })
  cleanups.push(() => ferry.dispose())
}

const theirs = (): Promise<unknown> => stateOf(target.port, [0, 3])
const cli = (line: string) => runCli(line.split(' '), { env: { FERRY_CONTROL: ferry.controlUrl } })
const events = async (): Promise<string> => (await fetch(`${ferry.controlUrl}/v1/events?follow=false`)).text()

async function write(...lines: string[]): Promise<string[]> {
  const client = await WireClient.open(ferry.port)
  const replies = await client.pipeline(lines)
  client.close()
  return replies
}

async function untilEqual(): Promise<void> {
  await ferry.untilStatus('everything to be copied', ({ coveragePercent }) => coveragePercent === 100)
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
}

describe('from phase observe', () => {
  it('start is refused, by every strategy, with what helps; nothing of it changes, and clients notice nothing', async () => {
    const before = await theirs()
    await open({ phase: 'observe' })
    const { blockers } = await ferry.status()
    expect(blockers).toEqual([expect.stringMatching(found)])
    expect(blockers[0]).toContain('Empty it, or start with onConflict=replace (CLI: --on-conflict replace)')
    for (const strategy of ['canary', 'big-bang', 'shadow'])
      await expect(ferry.step('start', { strategy })).rejects.toThrow(/409.*start is held back.*the target is not empty/)
    const dry = await ferry.step('start', { dryRun: true })
    expect([dry.applied, dry.blockers]).toEqual([false, [expect.stringMatching(found)]])
    expect(await write('SET theirs:1 mine', 'GET theirs:1', 'DEL ours:1')).toEqual(['+OK\r\n', '$4\r\nmine\r\n', ':1\r\n'])
    expect(await events()).toMatch(/"kind":"target","message":"the target is not empty.*it is not copied to/)
    expect((await ferry.status()).phase).toBe('observe')
    expect(await theirs()).toEqual(before)
  })

  it('by the command line: exit status 6, the words, and the way on', async () => {
    await open({ phase: 'observe' })
    const refused = await cli('start canary')
    expect([refused.status, refused.stderr]).toEqual([6, expect.stringMatching(found)])
    expect(refused.stderr).toContain('--on-conflict replace')
    const dry = await cli('start canary --dry-run')
    expect([dry.status, dry.stdout]).toEqual([6, expect.stringMatching(/blocks the target is not empty/)])
    expect((await cli('start canary --dry-run --on-conflict replace')).status).toBe(0)
    expect((await cli('start canary')).status).toBe(6)
    expect((await cli('start big-bang --on-conflict replace --reason leftovers')).status).toBe(0)
    await untilEqual()
    expect(await events()).toMatch(/the keys that the target has are given up.*"reason":"leftovers".*database 0: 300 keys/)
  })

  it('a restart neither forgets it nor what was decided', async () => {
    const before = await theirs()
    await open({ phase: 'observe' })
    await ferry.restart()
    await expect(ferry.step('start', { strategy: 'big-bang' })).rejects.toThrow(/the target is not empty/)
    await ferry.kill9()
    await ferry.restart()
    expect((await ferry.status()).blockers).toEqual([expect.stringMatching(found)])
    expect(await theirs()).toEqual(before)
    await ferry.step('start', { onConflict: 'replace' })
    await ferry.restart()
    await ferry.backfill()
    await untilEqual()
  })

  it('emptied, it starts', async () => {
    await open({ phase: 'observe' })
    await expect(ferry.step('start')).rejects.toThrow(/the target is not empty/)
    await target.client().flushall()
    await ferry.step('start', { strategy: 'big-bang' })
    await untilEqual()
  })

  it('what came there after Ferry had found it empty counts, too', async () => {
    await target.client().flushall()
    await open({ phase: 'observe' })
    expect((await ferry.status()).blockers).toEqual([])
    await target.client().set('late', '1')
    await expect(ferry.step('start')).rejects.toThrow(/database 0: 1 key, e.g. \\"late\\"/)
  })

  // Its content is our own copy by then: a person on call who went back wants to begin again, not to answer for it.
  it('after a rollback a second start needs no word about it', async () => {
    await target.client().flushall()
    await open({ phase: 'observe' })
    await ferry.step('start', { strategy: 'big-bang' })
    await untilEqual()
    await ferry.step('rollback', { to: 'observe' })
    expect((await ferry.status()).phase).toBe('observe')
    await write('SET meanwhile 1', 'DEL ours:2')
    await ferry.restart()
    await ferry.step('start', { strategy: 'big-bang' })
    await untilEqual()
  })

  it('Ferry’s own temporary keys and functions do not count', async () => {
    const client = target.client()
    await client.flushall()
    await client.set('ferry:copy:{k}:0123456789ab:7', 'x', 'EX', 100)
    await client.function('LOAD', "#!lua name=f\nredis.register_function('f', function() return 1 end)")
    await open({ phase: 'observe' })
    await ferry.step('start', { strategy: 'big-bang' })
    await client.unlink('ferry:copy:{k}:0123456789ab:7')
    await untilEqual()
  })

  it('databases that are left out do not count, and others are told as the target has them', async () => {
    await target.client().flushdb()
    await open({ phase: 'observe', target: { url: target.url, databases: { '0': 0, '1': 3 } } })
    await expect(ferry.step('start')).rejects.toThrow(/database 3, for 1 of the source: 1 key, e.g. \\"more\\"/)
    await ferry.dispose()
    await open({ phase: 'observe', target: { url: target.url, databases: { '0': 0, '1': 5, '3': 'none' } } })
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('everything to be copied', ({ coveragePercent }) => coveragePercent === 100)
    await ferry.untilSettled()
    expect(await theirs()).toHaveProperty('3/more')
  })

  it('folded, the names are told as the target has them', async () => {
    await target.client().flushall()
    await target.client().set('db7:x', '1')
    await open({ phase: 'observe', target: { url: target.url, databases: 'fold' } })
    await expect(ferry.step('start')).rejects.toThrow(/database 0, for 7 of the source: 1 key, e.g. \\"db7:x\\"/)
  })

  it('the configuration may have decided', async () => {
    await open({ phase: 'observe', copy: { onConflict: 'replace' } })
    await ferry.step('start', { strategy: 'big-bang' })
    await untilEqual()
    expect(await events()).toMatch(/given up.*copy.onConflict of the configuration/)
  })
})

describe('from phase mirror', () => {
  it('no copy begins, by whatever step; what clients do not write stays as it is', async () => {
    const before = await theirs()
    await open()
    const { blockers } = await ferry.status()
    expect(blockers).toContainEqual(expect.stringMatching(found))
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/409.*somebody else.*the target is not empty/)
    await expect(ferry.step('ramp', { percent: 10 })).rejects.toThrow(/the target is not empty/)
    await expect(ferry.step('cutover')).rejects.toThrow(/the target is not empty/)
    await expect(ferry.post('/v1/verify', { repair: true })).rejects.toThrow(/the target is not empty/)
    const told = await cli('mover start')
    expect([told.status, told.stderr]).toEqual([6, expect.stringMatching(found)])
    await write('SET fresh 1', 'FLUSHDB')
    await write('SET fresh 2')
    // A FLUSHDB that clients send goes to both sides, as phase mirror says; database 3 is nobody's but theirs.
    expect(await stateOf(target.port, [3])).toEqual({ '3/more': (before as Record<string, unknown>)['3/more'] })
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/the target is not empty \(database 3: 1 key/)
  })

  it('a restart in between keeps the refusal; then given up, the sides are equal', async () => {
    const before = await theirs()
    await open()
    await write('SET both 1', 'HSET theirs:5 of clients')
    await ferry.restart()
    await ferry.kill9()
    await ferry.restart()
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/the target is not empty/)
    const after = (await theirs()) as Record<string, unknown>
    const touched = { '0/both': expect.anything(), '0/theirs:5': expect.anything() }
    expect(after).toEqual({ ...(before as Record<string, unknown>), ...touched })
    expect((await cli('mover start --on-conflict replace')).status).toBe(0)
    await untilEqual()
  })

  it('ramp may be the first that copies', async () => {
    await open()
    await ferry.step('ramp', { percent: 10, onConflict: 'replace' })
    await ferry.step('ramp', { percent: 100 })
    await untilEqual()
  })

  it('emptied, it is copied to, though clients go on writing', async () => {
    await open()
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/the target is not empty/)
    await write('SET a 1', 'SET b 1')
    await target.client().flushall()
    await write('SET a 2', 'INCR c', 'SET ours:1 x')
    await ferry.backfill()
    await untilEqual()
  })

  it('a rollback is never held back, and what is left there then is theirs still', async () => {
    const before = await theirs()
    await open()
    await ferry.step('rollback')
    expect((await ferry.status()).phase).toBe('observe')
    await expect(ferry.step('start')).rejects.toThrow(/the target is not empty/)
    expect(await theirs()).toEqual(before)
  })

  it('a target that does not tell what it has is not copied to; clients’ writes reach it', async () => {
    await target.client().call('ACL', 'SETUSER', 'shy', 'on', '>s', '~*', '&*', '+@all', '-info')
    await open({ target: { url: target.url, username: 'shy', password: 's' } })
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/what the target has could not be asked \(.*NOPERM/)
    await write('SET fresh 1')
    await ferry.untilSettled()
    expect(await target.client().get('fresh')).toBe('1')
    await target.client().call('ACL', 'SETUSER', 'shy', '+info')
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/the target is not empty/)
  })

  it('a migration that was under way before this was asked goes on', async () => {
    await open()
    await ferry.stop()
    const store = openStore(join(ferry.dir, 'state.sqlite'))
    const { targetKeys, ...before } = store.loadDocument('migration') as Record<string, unknown>
    expect(targetKeys).toMatchObject({ state: 'foreign' })
    store.saveDocument('migration', { ...before, moving: true })
    store.close()
    await ferry.restart()
    await untilEqual()
  })

  it('a copy that was under way on another target does not go on', async () => {
    const first = await startRedis()
    cleanups.push(() => first.stop())
    await open({ target: first.url, mover: { ...unthrottled, keysPerSecondMax: 50 } })
    await ferry.post('/v1/mover/start')
    await ferry.untilStatus('some keys to be copied', ({ mover }) => mover.keysCopied > 0)
    await ferry.stop()
    const before = await theirs()
    await ferry.configure({ target: { url: target.url } })
    await ferry.restart()
    expect((await ferry.status()).blockers).toContainEqual(expect.stringMatching(found))
    expect(await theirs()).toEqual(before)
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/the target is not empty/)
  })
})

it('a target that has the truth from the start keeps it through a rollback, which asks nothing', async () => {
  const before = await theirs()
  await open({ phase: 'complete' })
  await ferry.step('rollback')
  await ferry.untilStatus('the source to be the authority again', ({ phase }) => phase === 'mirror')
  await untilEqual()
  expect(await theirs()).toEqual(before)
})

describe('a target that comes up later', () => {
  async function openAway(): Promise<ChaosProxy> {
    const toTarget = await ChaosProxy.start(target.port)
    cleanups.push(() => toTarget.stop())
    toTarget.refuse()
    await open({ target: toTarget.url })
    return toTarget
  }

  it('is asked before the first write reaches it: with foreign keys nothing is copied there', async () => {
    const toTarget = await openAway()
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/the target is not reachable/)
    await write(...Array.from({ length: 2_000 }, (_, n) => `SET new:${n} 1`))
    toTarget.pass()
    await ferry.untilStatus('the target to be known', ({ blockers }) => blockers.some((text) => found.test(text)))
    await ferry.untilSettled()
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/the target is not empty/)
    // Phase mirror brings what clients write, and that alone.
    expect(await target.client().dbsize()).toBe(keys + 2_000)
    expect(await target.client().exists('theirs:0', 'ours:0')).toBe(1)
  })

  it('and an empty one is ours, though clients have written before', async () => {
    await target.client().flushall()
    const toTarget = await openAway()
    await write(...Array.from({ length: 2_000 }, (_, n) => `SET new:${n} 1`))
    toTarget.pass()
    await ferry.untilStatus('the target to be up', (status) => status.target.state === 'up')
    await ferry.untilSettled()
    await ferry.backfill()
    await untilEqual()
  })
})
