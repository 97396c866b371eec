/** Copies by type between servers whose payloads do not fit, with traffic on the very keys, and what becomes of keys that cannot be carried. */
import { afterEach, describe, expect, it } from 'vitest'
import { isTemporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { farAwayMs } from '../../support/every-type.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { WireClient } from '../../support/wire-client.ts'

const elements = 16_000
const stringBytes = 3 << 20
const value = 'x'.repeat(100)

let source: RedisServer
let target: RedisServer
let ferry: Ferry

async function start(sourceEngine: string): Promise<void> {
  ;[source, target] = await Promise.all([startRedis({ engine: sourceEngine }), startRedis()])
}

afterEach(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

const temporaryKeys = async (): Promise<Buffer[]> => (await target.client().keysBuffer('*')).filter(isTemporaryKey)

async function fillLarge(): Promise<void> {
  const fill = source.client().pipeline()
  for (let n = 0; n < elements; n += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, i) => n + i)
    fill.rpush('list', ...some.map((i) => `${i}${value}`))
    fill.hset('hash', ...some.flatMap((i) => [`f${i}`, value]))
    fill.zadd('zset', ...some.flatMap((i) => [i / 3, `m${i}`]))
  }
  fill.set('string', Buffer.alloc(stringBytes, 7))
  await fill.exec()
}

describe.skipIf(engineMissing('redis-8.0'))('between Redis 8.0 and the Redis on PATH', () => {
  it('writes to a long value while it is copied are all kept, and nobody sees half of it', async () => {
    await start('redis-8.0')
    await fillLarge()
    ferry = await Ferry.start({ source: source.url, target: target.url })
    let running = true
    const write = async (line: (n: number) => string): Promise<number> => {
      const client = await WireClient.open(ferry.port)
      let n = 0
      while (running) {
        expect(await client.ask(line(n++))).not.toMatch(/^-/)
      }
      client.close()
      return n
    }
    // Until they are copied the keys have on the target what was written meanwhile, which is little.
    const halves: number[] = []
    const look = async (): Promise<void> => {
      const client = target.client()
      while (running) {
        const lengths = await Promise.all([client.llen('list'), client.hlen('hash'), client.zcard('zset')])
        halves.push(...lengths.filter((length) => length > elements / 4 && length < elements))
        const bytes = await client.strlen('string')
        if (bytes > stringBytes / 4 && bytes < stringBytes) halves.push(bytes)
      }
    }
    const work = Promise.all([
      write((n) => `RPUSH list ${n}`),
      write((n) => `HSET hash f${n} ${n}`),
      write((n) => `ZADD zset ${n} m${n}`),
      write(() => 'APPEND string x'),
      look(),
    ])
    await ferry.backfill()
    await ferry.untilStatus('the long values to be copied under traffic', ({ journal }) => journal.dirtyKeys === 0)
    running = false
    const written = await work
    await ferry.untilSettled()
    expect(Math.min(...written.slice(0, 4).map(Number))).toBeGreaterThan(20)
    expect(await differencesOf(source, target)).toEqual([])
    expect(halves).toEqual([])
    expect(await temporaryKeys()).toEqual([])
  })

  it('what cannot be carried is in the error queue with the reason, and the old value stays whole', async () => {
    await start('redis-8.0')
    const client = source.client()
    await client.hset('ends', 'a', '1', 'b', '2')
    await client.call('HPEXPIREAT', 'ends', farAwayMs, 'FIELDS', 1, 'a')
    await client.call('VADD', 'vectors', 'VALUES', 3, 1, 2, 3, 'one')
    await client.set('plain', 'v')
    await target.client().hset('ends', 'old', '1')
    ferry = await Ferry.start({ source: source.url, target: target.url, copy: { onConflict: 'replace' } })
    await ferry.backfill()
    await ferry.untilSettled()
    const { items } = (await ferry.get('/v1/errors')) as { items: { key: string; error: string; type: string }[] }
    expect(items.map(({ key, type, error }) => [key, type, error]).sort()).toEqual([
      [
        'ends',
        'hash',
        expect.stringMatching(/^its hash fields expire, and the target \(redis 7\.0\.\d+\) has no expiry of fields$/),
      ],
      [
        'vectors',
        'vectorset',
        expect.stringMatching(/^values of type vectorset can only be copied by DUMP, which the target does not take: /),
      ],
    ])
    expect(await target.client().hgetall('ends')).toEqual({ old: '1' })
    expect(await target.client().get('plain')).toBe('v')
    expect(await temporaryKeys()).toEqual([])
  }, 40_000)

  it('after a cut-over the way back is kept equal, too', async () => {
    ;[source, target] = await Promise.all([startRedis(), startRedis({ engine: 'redis-8.0' })])
    await source.client().rpush('list', ...Array.from({ length: 3_000 }, (_, n) => n))
    ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
    await ferry.untilSettled()
    await ferry.step('cutover', { reason: 'test' })
    await ferry.untilStatus('the target to have the authority', ({ authority }) => authority === 'target')
    const client = await WireClient.open(ferry.port)
    // What a script writes is copied, not run again: here from the newer server to the older one.
    for (const line of [
      "EVAL redis.call('RPUSH',KEYS[1],'more')redis.call('XADD',KEYS[2],'5-5','f','v')redis.call('SET',KEYS[3],'v')return(1) 3 list stream string",
      "EVAL redis.call('HSET',KEYS[1],'f','v')redis.call('XGROUP','CREATE',KEYS[2],'g','0')return(1) 2 hash stream",
    ])
      expect(await client.ask(line)).toBe(':1\r\n')
    client.close()
    await ferry.untilSettled()
    expect(await source.client().llen('list')).toBe(3_001)
    expect(await differencesOf(source, target)).toEqual([])
    expect((await ferry.status()).journal.failed).toBe(0)
  })
})
