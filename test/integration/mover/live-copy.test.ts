/** `ferry copy --live` as its real process, beside somebody who writes straight to the source. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LiveCopy } from '../../../src/mover/live-copy.ts'
import { standAlone } from '../../../src/mover/stand-alone.ts'
import { TrackingFeed } from '../../../src/mover/tracking-feed.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { CopyProcess } from '../../support/copy-process.ts'
import { fillEveryType } from '../../support/every-type.ts'
import { differencesOf } from '../../support/ferry.ts'
import { writePast } from '../../support/past-writer.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

const seed = Number(process.env.FERRY_TEST_SEED ?? Date.now() % 1_000_000)
const writers = 3
const writeMs = 2_000

vi.setConfig({ testTimeout: 60_000 })

let source: RedisServer
let target: RedisServer
let copy: CopyProcess | undefined

afterEach(async () => {
  copy?.signal('SIGKILL')
  await copy?.end()
  copy = undefined
  await Promise.all([source?.stop(), target?.stop()])
})

async function servers(engine?: string): Promise<void> {
  const options = engine === undefined ? {} : { engine }
  ;[source, target] = await Promise.all([startRedis(options), startRedis(options)])
}

function follow(...more: string[]): CopyProcess {
  copy = new CopyProcess(['--source', source.url, '--target', target.url, ...(more.length > 0 ? more : ['--live'])])
  return copy
}

async function stopped(process: CopyProcess): Promise<unknown> {
  process.signal('SIGTERM')
  return process.end()
}

const setting = async (): Promise<unknown> => (await source.client().config('GET', 'notify-keyspace-events')) as unknown

async function randomWrites(...flags: string[]): Promise<void> {
  await fillEveryType(source.client())
  const process = follow(...flags)
  const enough = new AbortController()
  // Some of it falls into the first pass.
  const writing = Array.from({ length: writers }, (_, n) => writePast(source.client(), seed + n, enough.signal))
  await process.next('the first pass to be through', ({ phase }) => phase === 'follow')
  setTimeout(() => enough.abort(), writeMs)
  const sent = (await Promise.all(writing)).reduce((sum, one) => sum + one, 0)
  expect(sent).toBeGreaterThan(1_000)
  expect(await stopped(process)).toMatchObject({ status: 0, last: { kind: 'report', keysFailed: 0 } })
  expect(await differencesOf(source, target), `seed ${seed}`).toEqual([])
}

it('a long hash that is written to while it is copied arrives as it is in the end', async () => {
  const fields = 300_000
  const set = "for i=1,tonumber(ARGV[1]) do redis.call('HSET','hash','field:'..i,ARGV[2]..i) end"
  await servers()
  await source.client().eval(set, 0, fields, 'first')
  // In a batch of several keys it is left to the healing, which has to see that it was marked again.
  await source.client().mset('one', 1, 'two', 2)
  const process = follow()
  const isHalfStaged = async (): Promise<boolean> => {
    const name = (await target.client().keys('*')).find((key) => !['one', 'two', 'hash'].includes(key))
    return name !== undefined && (await target.client().hlen(name)) > fields / 2
  }
  await until(isHalfStaged, { intervalMs: 2, timeoutMs: 20_000, what: 'half of the hash to be there under another name' })
  // As many fields as before, with other values: nothing but having been told of it gives it away.
  await source.client().eval(set, 0, fields, 'second')
  await process.next('the first pass to be through', ({ phase }) => phase === 'follow')
  expect(await stopped(process)).toMatchObject({ status: 0, last: { kind: 'report', keysFailed: 0 } })
  expect(await differencesOf(source, target)).toEqual([])
})

describe.each([
  ['redis 7.0', undefined],
  ['redis-8.0', 'redis-8.0'],
  ['valkey-9.1', 'valkey-9.1'],
])('between servers of %s', (name, engine) => {
  const missing = engine !== undefined && engineMissing(name)

  it.skipIf(missing)('by client tracking: everything that was written before the end is there', async () => {
    await servers(engine)
    await randomWrites('--live')
    expect(await setting()).toEqual(['notify-keyspace-events', ''])
  })

  it.skipIf(missing)('by keyspace notifications: likewise, and the setting is as before', async () => {
    await servers(engine)
    await source.client().config('SET', 'notify-keyspace-events', 'Kx')
    await randomWrites('--live', 'notifications', '--set-notifications')
    expect(String(await setting())).toBe('notify-keyspace-events,xK')
  })
})

describe('what is not told key by key', () => {
  it.each([['tracking'], ['notifications']])('by %s: FLUSHALL, SWAPDB and groups of streams', async (way) => {
    await servers()
    const client = source.client()
    await source.client().config('SET', 'notify-keyspace-events', 'AE')
    await fillEveryType(client)
    const process = follow('--live', way)
    await process.caughtUp()
    const same = (what: string): Promise<unknown> =>
      until(async () => (await differencesOf(source, target)).length === 0, { what, timeoutMs: 15_000 })
    await client.xreadgroup('GROUP', 'workers', 'anna', 'COUNT', 5, 'STREAMS', 'stream', '>')
    await client.xack('stream', 'workers', '2-1')
    await same('the group to be copied')
    await client.xgroup('DESTROY', 'stream', 'idle')
    await client.xgroup('DESTROY', 'stream-empty', 'g')
    await same('the groups to be gone')
    await client.call('SWAPDB', 0, 7)
    await same('the databases to be swapped')
    await client.flushall()
    await until(async () => (await target.client().info('keyspace')).trim() === '# Keyspace', {
      what: 'an empty target',
      timeoutMs: 15_000,
    })
    await client.set('after', '1')
    await same('the key that came afterwards')
    await client.call('FUNCTION', 'LOAD', "#!lua name=l\nredis.register_function('f', function() return 1 end)")
    await until(async () => ((await target.client().call('FUNCTION', 'LIST')) as unknown[]).length === 1, {
      what: 'the function',
    })
    expect(await stopped(process)).toMatchObject({ status: 0 })
  })
})

describe('a connection that is lost', () => {
  it.each([
    ['tracking', 'ferry'],
    ['notifications', 'ferry-live'],
  ])('by %s: what was missed is found by another pass', async (way) => {
    await servers()
    await source.client().config('SET', 'notify-keyspace-events', 'AE')
    const client = source.client()
    for (let n = 0; n < 2_000; n++) client.set(`k${n}`, n)
    await client.ping()
    const process = follow('--live', way)
    await process.caughtUp()
    // In one go: nothing can be told in between.
    const gone = client.multi()
    gone.call('CLIENT', 'KILL', 'TYPE', way === 'tracking' ? 'normal' : 'pubsub', 'SKIPME', 'yes')
    gone.set('k1', 'missed').del('k2').select(3).set('new', 'missed')
    await gone.exec()
    const after = await process.next('another pass', ({ live, phase }) => phase === 'follow' && live?.passes === 2)
    expect(after.waiting).toBe(0)
    expect(process.said).toContain('everything is looked at again (changes at the source went unseen')
    expect(await differencesOf(source, target)).toEqual([])
    expect(await stopped(process)).toMatchObject({ status: 0 })
  })
})

describe('more changes than the journal holds', () => {
  it('are found by another pass', async () => {
    await servers()
    await source.client().set('k', '1')
    const alone = await standAlone({ source: parseEndpoint(source.url), target: parseEndpoint(target.url) }, null)
    const live = new LiveCopy(alone)
    const end = new AbortController()
    const running = live.run(new TrackingFeed(alone.lanes.source, live), false, null, end.signal)
    try {
      await until(() => live.counts().following, { what: 'the first pass' })
      // As if this one had found no place.
      const mark = vi.spyOn(alone.core.journal, 'mark').mockImplementation(() => alone.core.journal.overflowed('it is full'))
      await source.client().set('k', '2')
      await until(() => mark.mock.calls.length > 0, { what: 'the change to be told' })
      mark.mockRestore()
      await until(() => live.counts().passes === 2, { what: 'another pass' })
      expect(await target.client().get('k')).toBe('2')
      expect(alone.core.journal.resyncReason).toBeNull()
    } finally {
      end.abort()
      await running
      await live.stop()
      await alone.stop()
    }
  })
})

describe('the end', () => {
  it('--until-quiet comes by itself', async () => {
    await servers()
    await source.client().set('k', '1')
    const process = follow('--live', '--until-quiet', '300')
    expect(await process.end()).toMatchObject({ status: 0, last: { kind: 'report', keysCopied: 1, live: { passes: 1 } } })
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('in the middle of the first pass is told as unfinished', async () => {
    await servers()
    const client = source.client()
    for (let n = 0; n < 5_000; n++) client.set(`k${n}`, n)
    await client.ping()
    const process = follow('--live', '--keys-per-second', '500')
    await process.next('the pass', ({ phase, keysScanned }) => phase === 'copy' && Number(keysScanned) > 0)
    expect(await stopped(process)).toMatchObject({ status: 7, last: { code: 'interrupted' } })
  })

  it('comes at once where the source was restarted, and takes nothing away', async () => {
    await servers()
    for (let n = 0; n < 100; n++) await source.client().set(`k${n}`, n)
    const process = follow()
    await process.caughtUp()
    const { port } = source
    await source.stop()
    source = await startRedis({ port })
    expect(await process.end()).toMatchObject({ status: 6, last: { code: 'blocked' } })
    expect(await target.client().dbsize()).toBe(100)
    expect(await source.client().dbsize()).toBe(0)
  })
})

describe('what is refused before anything is copied', () => {
  it('notifications that are not switched on, with what is missing', async () => {
    await servers()
    await source.client().config('SET', 'notify-keyspace-events', 'Ex$g')
    const process = follow('--live', 'notifications')
    const { status, last } = await process.end()
    expect(status).toBe(6)
    expect(last?.message).toContain("notify-keyspace-events is 'g$xE' and lacks lshzet")
    expect(String(await setting())).toBe('notify-keyspace-events,g$xE')
  })

  it('client tracking that the user may not ask for', async () => {
    await servers()
    await source.client().call('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '&*', '+@all', '-client|tracking')
    copy = new CopyProcess(['--source', `redis://reader:secret@127.0.0.1:${source.port}`, '--target', target.url, '--live'])
    const { status, last } = await copy.end()
    expect(status).toBe(2)
    expect(last?.message).toMatch(/does not tell of changes by client tracking \(NOPERM .*--live notifications/)
  })
})
