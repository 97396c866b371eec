/** Long values whose writes tell nothing of the parts they touch, and ones that change as a whole while they are copied. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { WireClient } from '../../support/wire-client.ts'

const limits = { longValueBytes: 32_768 }
let source: RedisServer
let target: RedisServer
let ferry: Ferry

async function start(engine?: string): Promise<void> {
  const options = engine === undefined ? {} : { engine }
  ;[source, target] = await Promise.all([startRedis(options), startRedis(options)])
  const fill = source.client().pipeline()
  for (let n = 0; n < 20_000; n += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, i) => n + i)
    fill.hset('hash', ...some.flatMap((i) => [`f${i}`, `value${i}`]))
    fill.rpush('list', ...some.map((i) => `element${i}`))
  }
  await fill.exec()
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled, limits })
}

/** `until`: how far it has to be when the writes end. */
async function copyWhile(until: 'copied' | 'scanned', ...lines: ((n: number) => string[])[]): Promise<number[]> {
  let running = true
  const writing = lines.map(async (line) => {
    const client = await WireClient.open(ferry.port)
    let n = 0
    for (; running; n++) for (const reply of await client.pipeline(line(n), 15_000)) expect(reply).not.toMatch(/^-/)
    client.close()
    return n
  })
  await ferry.backfill(40_000)
  if (until === 'copied')
    await ferry.untilStatus('the long values to be copied', ({ journal }) => journal.dirtyKeys === 0, 40_000)
  else await ferry.untilStatus('some key to be healed', ({ journal }) => journal.healed > 0, 40_000)
  running = false
  const counts = await Promise.all(writing)
  await ferry.untilSettled(40_000)
  return counts
}

const dumps = async (): Promise<string> =>
  (await source.client().info('commandstats')).match(/cmdstat_dump:calls=\d+/)?.[0] ?? 'none'

beforeEach(() => start())
afterEach(async () => {
  await ferry.dispose()
  await Promise.all([source.stop(), target.stop()])
})

describe('a long value', () => {
  it('that transactions write to all the time is held in the end, and every write is kept', { timeout: 90_000 }, async () => {
    const counts = await copyWhile(
      'copied',
      (n) => ['MULTI', n % 2 === 0 ? `HSET hash f${n} changed` : `HDEL hash f${n}`, 'EXEC'],
      (n) => ['MULTI', `LSET list ${n % 1_000} changed${n}`, 'EXEC'],
    )
    expect(Math.min(...counts)).toBeGreaterThan(0)
    // Before the comparison, which asks for whole values.
    expect(await dumps()).toBe('none')
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('whose transactions change other keys, too, is copied while they go on', { timeout: 90_000 }, async () => {
    const jobs = (n: number): string[] => ['MULTI', `LPUSH list job${n}`, 'INCR pushed', 'SADD queues list', 'EXEC']
    const counts = await copyWhile('copied', jobs, jobs, (n) => ['MULTI', `HSET hash f${n % 30_000} x`, 'INCR set', 'EXEC'])
    expect(Math.min(...counts)).toBeGreaterThan(0)
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('whose parts they change in a way that is not told is copied, too', { timeout: 90_000 }, async () => {
    await copyWhile(
      'copied',
      (n) => ['MULTI', `LSET list ${n % 1_000} changed${n}`, 'INCR changed', 'EXEC'],
      (n) => ['MULTI', 'GETSET other x', `LINSERT list AFTER element${n % 20_000} more`, 'EXEC'],
    )
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('that is removed and made anew meanwhile is what it was made', { timeout: 90_000 }, async () => {
    await copyWhile(
      'scanned',
      (n) => (n % 50 === 10 ? ['DEL hash', 'HSET hash a 1'] : [`HSET hash b${n % 100} ${n}`]),
      (n) => (n % 50 === 10 ? ['RENAME list other', 'RPUSH list a'] : [`RPUSH list ${n}`, 'RPOP list', 'LPUSH other x']),
    )
    expect(await differencesOf(source, target)).toEqual([])
  })
})

describe.skipIf(engineMissing('redis-8.0'))('a long hash whose fields expire', () => {
  it('arrives with its expiries', { timeout: 90_000 }, async () => {
    await ferry.dispose()
    await Promise.all([source.stop(), target.stop()])
    await start('redis-8.0')
    await source.client().call('HPEXPIREAT', 'hash', Date.now() + 3_600_000, 'FIELDS', 2, 'f7', 'f8')
    await copyWhile('copied', (n) => [`HSET hash f${(n % 1_000) + 100} changed${n}`])
    expect(await differencesOf(source, target)).toEqual([])
    expect(await target.client().call('HPEXPIRETIME', 'hash', 'FIELDS', 2, 'f7', 'f8')).toEqual(
      await source.client().call('HPEXPIRETIME', 'hash', 'FIELDS', 2, 'f7', 'f8'),
    )
  })
})
