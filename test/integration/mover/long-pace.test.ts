/**
 * Long values and the limits of the mover: they are copied by themselves, and keep to what the batches keep to. The clients: write meanwhile. The
 * source and the target: have the same in the end, also of a value that rested for longer than a temporary name lives by itself.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { temporaryKeyMs } from '../../../src/dispatch/typed/staging.ts'
import { CopyProcess } from '../../support/copy-process.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { until } from '../../support/wait.ts'
import { WireClient } from '../../support/wire-client.ts'

const limits = { longValueBytes: 1 << 20 }
const valueBytes = 8_000_000
let source: RedisServer
let target: RedisServer
let ferry: Ferry | null = null

const fills: Record<string, () => Promise<unknown>> = {
  string: () => source.client().setrange('long', valueBytes, 'x'),
  list: () => pipelined((client, n) => client.rpush('long', `${n}${'x'.repeat(1_000)}`)),
  hash: () => pipelined((client, n) => client.hset('long', `${n}`, 'x'.repeat(1_000))),
  stream: () => pipelined((client, n) => client.xadd('long', `${n + 1}-1`, 'f', 'x'.repeat(1_000))),
}

async function pipelined(each: (client: ReturnType<ReturnType<RedisServer['client']>['pipeline']>, n: number) => unknown) {
  const pipeline = source.client().pipeline()
  for (let n = 0; n < valueBytes / 1_000; n++) each(pipeline, n)
  await pipeline.exec()
}

beforeEach(async () => {
  // Of every command, to see how a value was read.
  const args = ['--slowlog-log-slower-than', '0', '--slowlog-max-len', '100000']
  ;[source, target] = await Promise.all([startRedis({ args }), startRedis()])
})
afterEach(async () => {
  await ferry?.dispose()
  ferry = null
  await Promise.all([source.stop(), target.stop()])
})

async function start(mover: object): Promise<Ferry> {
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: { ...unthrottled, ...mover }, limits })
  return ferry
}

const temporaryBytes = async (): Promise<number> => {
  const [name] = await target.client().keys('ferry:copy:*')
  return name === undefined ? 0 : Number(await target.client().memory('USAGE', name))
}

/** Nothing is added for longer than a window and a look at the pace take. */
async function isSteady(): Promise<boolean> {
  const bytes = await temporaryBytes()
  for (let looks = 0; looks < 20; looks++) {
    if ((await temporaryBytes()) !== bytes) return false
    await new Promise((resolve) => setTimeout(resolve, 40))
  }
  return bytes > 0
}

it.each(Object.keys(fills))('a %s keeps to the bytes per second', { timeout: 40_000 }, async (type) => {
  await fills[type]?.()
  const started = await start({ bytesPerSecondMax: 4_000_000 })
  const beganMs = performance.now()
  await started.backfill(20_000)
  const { mover } = await started.untilStatus('it to be limited', ({ mover: { throttle } }) => throttle !== null)
  expect(mover.throttle).toBe('limited to 4000000 bytes/s')
  await started.untilSettled(20_000)
  const tookMs = performance.now() - beganMs
  expect(tookMs).toBeGreaterThan((valueBytes / 4_000_000) * 1_000 * 0.5)
  expect(tookMs).toBeLessThan((valueBytes / 4_000_000) * 1_000 * 3)
  const { bytesCopied } = (await started.status()).mover
  expect(bytesCopied).toBeGreaterThan(valueBytes * 0.9)
  expect(bytesCopied).toBeLessThan(valueBytes * 1.15)
  expect(await differencesOf(source, target)).toEqual([])
})

it('one rests while the mover is paused, and goes on with it', { timeout: 40_000 }, async () => {
  await fills.hash?.()
  // Database 0 is copied first; with this one the job is still at work.
  const other = source.client()
  await other.select(1)
  await other.mset(Array.from({ length: 10_000 }, (_, i) => `k${Math.floor(i / 2)}`))
  const started = await start({ bytesPerSecondMax: 2_000_000, keysPerSecondMax: 500 })
  const client = await WireClient.open(started.port)
  await started.post('/v1/mover/start')
  await until(async () => (await temporaryBytes()) > 1_000_000, { what: 'the hash to be under way' })
  await started.post('/v1/mover/pause')
  await client.pipeline(['HSET long new 1', 'HDEL long 5'], 5_000)
  await until(isSteady, { what: 'it to rest' })
  await started.mover({ bytesPerSecondMax: 0, keysPerSecondMax: 0 })
  expect(await isSteady()).toBe(true)
  await started.post('/v1/mover/resume')
  await started.untilSettled(20_000)
  client.close()
  expect(await differencesOf(source, target)).toEqual([])
})

it('what was sent ahead outlives a rest that is longer than its name lives', { timeout: 60_000 }, async () => {
  await fills.hash?.()
  const started = await start({ bytesPerSecondMax: 100_000 })
  await started.post('/v1/mover/start')
  await until(async () => (await temporaryBytes()) > 0, { what: 'the hash to be under way' })
  const [name] = (await target.client().keys('ferry:copy:*')) as [string]
  await started.post('/v1/mover/pause')
  // As if it had rested for nearly so long.
  await target.client().pexpire(name, 15_000)
  await until(async () => (await target.client().pttl(name)) > temporaryKeyMs - 5_000, {
    timeoutMs: 30_000,
    what: 'its end to be put off',
  })
  await target.client().del(name)
  await started.mover({ bytesPerSecondMax: 0 })
  await started.post('/v1/mover/resume')
  await started.untilSettled(30_000)
  expect(await differencesOf(source, target)).toEqual([])
})

it('without a proxy they keep to it, too', { timeout: 40_000 }, async () => {
  await fills.list?.()
  const beganMs = performance.now()
  const copy = new CopyProcess(['--source', source.url, '--target', target.url, '--bytes-per-second', '4000000'])
  expect(await copy.end()).toMatchObject({ status: 0, last: { keysCopied: 1 } })
  expect(performance.now() - beganMs).toBeGreaterThan(1_400)
  expect(await differencesOf(source, target)).toEqual([])
})

it.each([
  ['filters', []],
  ['another name', ['--rename', 'long=other']],
  ['a merge', ['--on-conflict', 'merge']],
])('by rules they go in pieces, and keep to it: %s', { timeout: 40_000 }, async (_name, flags) => {
  await Promise.all([fills.hash?.(), source.client().sadd('short', 'member')])
  await target.client().set('else', 'there')
  await target.client().hset('long', 'mine', 'kept')
  const rules = flags.length > 0 ? flags : ['--exclude', 'no*']
  const conflict = flags.includes('merge') ? [] : ['--on-conflict', 'replace']
  const beganMs = performance.now()
  const rate = ['--bytes-per-second', '8000000']
  const copy = new CopyProcess(['--source', source.url, '--target', target.url, ...rate, ...rules, ...conflict])
  const { status, last } = await copy.end()
  expect({ status, last }).toMatchObject({ status: 0, last: { keysCopied: 2 } })
  expect(performance.now() - beganMs).toBeGreaterThan(500)
  expect((last as { bytesCopied: number }).bytesCopied).toBeLessThan(valueBytes * 1.5)
  expect(await dumped()).toEqual(['short'])
  const place = flags.includes('--rename') ? 'other' : 'long'
  expect(await target.client().hlen(place)).toBe(valueBytes / 1_000 + (flags.includes('merge') ? 1 : 0))
})

async function dumped(): Promise<string[]> {
  const rows = (await source.client().slowlog('GET', 100_000)) as [number, number, number, string[]][]
  return rows
    .map(([, , , argv]) => argv)
    .filter(([verb]) => verb?.toUpperCase() === 'DUMP')
    .map(([, key]) => key ?? '')
}
