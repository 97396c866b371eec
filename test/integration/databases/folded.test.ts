/** What a target with one database cannot do as the source does it: nothing is silently different, and what is said says why. */
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { fullStateOf } from '../../support/full-state.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { until } from '../../support/wait.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry
let client: Redis

beforeEach(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis({ args: ['--databases', '1'] })])
  ferry = await Ferry.start({ source: source.url, target: { url: target.url, databases: 'fold' }, mover: unthrottled })
  client = new Redis({ port: ferry.port })
  await client.set('k', '0')
  await client.select(3)
  await client.mset('k', '3', 'l', '3')
  await ferry.backfill()
})

afterEach(async () => {
  client.disconnect()
  await ferry.dispose()
  await Promise.all([source.stop(), target.stop()])
})

/** Of both sides in the source's numbering. */
async function bothSides(): Promise<[string[], string[]]> {
  const [here, there] = await Promise.all([fullStateOf(source.port), fullStateOf(target.port)])
  const unfolded = Object.keys(there.keys).map((path) => path.replace(/^0\/db(\d+):/, '$1/'))
  return [Object.keys(here.keys).sort(), unfolded.sort()]
}

async function agree(): Promise<string[]> {
  await ferry.untilSettled()
  const [here, there] = await bothSides()
  expect(there).toEqual(here)
  return here
}

test('SWAPDB puts everything in doubt, and is copied', async () => {
  await client.call('SWAPDB', '0', '3')
  expect(await agree()).toEqual(['0/k', '0/l', '3/k'])
})

test('FLUSHDB empties one database, FLUSHALL all of them', async () => {
  await client.select(5)
  for (let i = 0; i < 5_000; i += 100) await client.mset(...Array.from({ length: 100 }, (_, j) => [`many:${i + j}`, 'v']).flat())
  await client.select(3)
  await client.flushdb()
  expect((await agree()).length).toBe(5_001)
  await client.select(5)
  const emptied = client.flushdb()
  await client.set('after', '1')
  await emptied
  expect(await agree()).toEqual(['0/k', '5/after'])
  await client.select(0)
  await client.flushdb()
  expect(await agree()).toEqual(['5/after'])
  await client.flushall()
  expect(await agree()).toEqual([])
})

test('a key of database 0 with the name of a folded one goes to the error queue, and stands before a cut-over', async () => {
  await client.select(0)
  await client.set('db3:k', 'mine')
  const { blockers } = await ferry.untilStatus('the failed key', ({ journal }) => journal.failed === 1)
  expect(blockers.join()).toContain('could not be copied')
  const { items } = (await ferry.get('/v1/errors')) as { items: { error: string }[] }
  expect(JSON.stringify(items)).toContain('would be one of database 3')
  expect(await target.client().get('db3:k')).toBe('3')
})

test('with the target in charge, what needs its databases apart is refused with the reason', async () => {
  await ferry.step('cutover')
  await expect(client.call('SWAPDB', '0', '3')).rejects.toThrow(/FERRY unsupported: SWAPDB/)
  await expect(client.call('FROBNICATE', 'k')).rejects.toThrow(/FERRY unsupported: where the keys/)
  expect(await client.get('k')).toBe('3')
  expect(await client.dbsize()).toBe(2)
  expect(await client.eval("return redis.call('GET', KEYS[1])", 1, 'k')).toBe('3')
  expect(await client.move('l', 7)).toBe(1)
  const large = 'x'.repeat(5_000_000)
  await client.set('large', large)
  expect(await client.get('large')).toBe(large)
  expect((await client.multi().lmpop(1, 'none', 'LEFT').get('k').keys('*').exec())?.map(([, value]) => value)).toEqual([
    null,
    '3',
    expect.arrayContaining(['k', 'large']),
  ])
  expect(await agree()).toEqual(['0/k', '3/k', '3/large', '7/l'])
  await ferry.step('rollback', { to: 'mirror' })
  expect(await client.get('large')).toBe(large)
  await agree()
})

test('the way back from a completed migration copies each database to its own', async () => {
  await ferry.step('cutover')
  await ferry.step('complete')
  await client.set('late', '1')
  await client.select(6)
  await client.rpush('late', 'a')
  expect(await source.client().exists('late')).toBe(0)
  await ferry.step('rollback')
  await ferry.untilStatus(
    'the source to be in charge',
    ({ authority, state }) => authority === 'source' && state === 'rolled_back',
  )
  expect(await agree()).toEqual(['0/k', '3/k', '3/l', '3/late', '6/late'])
})

test('clients that wait, watch or subscribe see their own database', async () => {
  await ferry.step('cutover')
  const [waiting, subscriber] = [new Redis({ port: ferry.port, db: 3 }), new Redis({ port: ferry.port })]
  await target.client().config('SET', 'notify-keyspace-events', 'KEA')
  const told: string[] = []
  subscriber.on('pmessage', (_pattern: string, channel: string, message: string) => told.push(`${channel} ${message}`))
  await subscriber.psubscribe('__keyspace@3__:*')
  const popped = waiting.blpop('queue', 5)
  await until(async () => String(await client.call('CLIENT', 'LIST')).includes('blpop'), { what: 'the client to wait' })
  await client.rpush('queue', 'job')
  expect(await popped).toEqual(['queue', 'job'])
  await until(() => told.length >= 1, { what: 'the event' })
  expect(told[0]).toMatch(/^__keyspace@3__:queue /)
  await waiting.watch('k')
  await client.set('k', 'changed')
  expect(await waiting.multi().set('k', 'lost').exec()).toBe(null)
  expect(await waiting.get('k')).toBe('changed')
  waiting.disconnect()
  subscriber.disconnect()
})

test("the comparison through Ferry finds what differs, in the source's numbers", async () => {
  await target.client().set('db3:l', 'wrong')
  await target.client().set('db8:extra', 'x')
  const started = (await ferry.post('/v1/verify', { rounds: 1 })) as { id: string }
  const report = await until(
    async () => {
      const found = (await ferry.get(`/v1/verify/${started.id}`)) as { state: string; samples: { db: number; key: string }[] }
      return found.state === 'running' ? null : found
    },
    { what: 'the comparison' },
  )
  expect(report).toMatchObject({ state: 'done' })
  expect(report.samples.map(({ db, key }) => `${db}/${key}`).sort()).toEqual(['3/l', '8/extra'])
})
