/**
 * Where a read is answered. To tell the sides apart each has, behind Ferry's back, its own value under the same keys; what a client writes
 * itself it must read back, whatever the mode.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ReadMode } from '../../../src/routing/modes.ts'
import { slotCount, slotOf } from '../../../src/routing/slot.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bulk, WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry
let client: WireClient

const keys = Array.from({ length: 200 }, (_, n) => `side:${n}`)
const slot = (key: string): number => slotOf(Buffer.from(key), 0, key.length)

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url })
  await ferry.backfill()
  client = await WireClient.open(ferry.port)
  for (const [server, name] of [
    [source, 'source'],
    [target, 'target'],
  ] as const) {
    await server.client().mset(Object.fromEntries(keys.map((key) => [key, name])))
  }
})

afterAll(async () => {
  client?.close()
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

const answers = async (): Promise<string[]> =>
  (await client.pipeline(keys.map((key) => `GET ${key}`))).map((reply) => reply.split('\r\n')[1] ?? '')
const everywhere = (side: string): string[] => keys.map(() => side)

describe('a read', () => {
  it('is served by the side that the mode names', async () => {
    await ferry.traffic({ readMode: 'old' })
    expect(await answers()).toEqual(everywhere('source'))
    await ferry.traffic({ readMode: 'new' })
    expect(await answers()).toEqual(everywhere('target'))
  })

  it.each([0, 5, 37.5, 80, 100])('with ratio, %d %: the low slots from the target, always the same ones', async (percent) => {
    await ferry.traffic({ readMode: 'ratio', readPercentage: percent, ratioBy: 'slot' })
    const below = Math.round((percent / 100) * slotCount)
    expect(await answers()).toEqual(keys.map((key) => (slot(key) < below ? 'target' : 'source')))
  })

  it('of several keys goes to the target only where all of them do', async () => {
    await ferry.traffic({ readMode: 'ratio', readPercentage: 50, ratioBy: 'slot' })
    const low = keys.filter((key) => slot(key) < slotCount / 2)
    const high = keys.filter((key) => slot(key) >= slotCount / 2)
    const lines = [`MGET ${low[0]} ${low[1]}`, `MGET ${low[0]} ${high[0]}`, `MGET ${high[0]} ${high[1]}`]
    const reply = (side: string): string => `*2\r\n${bulk(side)}${bulk(side)}`
    expect(await client.pipeline(lines)).toEqual([reply('target'), reply('source'), reply('source')])
  })

  it('with ratio by connection or by tenant, stays with its client', async () => {
    await ferry.traffic({ readMode: 'ratio', readPercentage: 50, ratioBy: 'connection' })
    const others = await Promise.all(Array.from({ length: 40 }, () => WireClient.open(ferry.port)))
    const sides = await Promise.all(others.map((other) => other.pipeline(keys.slice(0, 5).map((key) => `GET ${key}`))))
    for (const replies of sides) expect(new Set(replies).size).toBe(1)
    expect(new Set(sides.flat()).size).toBe(2)
    await ferry.traffic({ ratioBy: 'tenant', tenants: ['shop'] })
    const [shop, blog] = others as [WireClient, WireClient]
    await Promise.all([shop.ask('CLIENT SETNAME shop'), blog.ask('CLIENT SETNAME blog')])
    expect([await shop.ask(`GET ${keys[0]}`), await blog.ask(`GET ${keys[0]}`)]).toEqual([bulk('target'), bulk('source')])
    for (const other of others) other.close()
  })
})

describe.each<ReadMode>(['old', 'new', 'ratio', 'fallback-on-miss', 'version-compare', 'replicated'])(
  'own writes with %s',
  (readMode) => {
    it('are read back: in one pipeline, one by one, and of every kind', async () => {
      await ferry.traffic({ readMode, readPercentage: 50, ratioBy: 'slot' })
      const lines: string[] = []
      const expected: string[] = []
      for (let n = 0; n < 300; n++) {
        const key = `own:${readMode}:${n % 50}`
        const kinds: [string, string, string][] = [
          [`SET ${key} v${n}`, `GET ${key}`, bulk(`v${n}`)],
          [`EVAL return(redis.call("SET",KEYS[1],ARGV[1])) 1 ${key} e${n}`, `GET ${key}`, bulk(`e${n}`)],
          [`SET ${key} t${n} EX 100`, `GETRANGE ${key} 0 -1`, bulk(`t${n}`)],
          [`DEL ${key}`, `EXISTS ${key}`, ':0\r\n'],
          [`SETRANGE ${key} 0 x${n}`, `STRLEN ${key}`, `:${`x${n}`.length}\r\n`],
        ]
        const [write, read, reply] = kinds[n % 5] as [string, string, string]
        lines.push(`DEL ${key}`, write, read)
        expected.push(reply)
      }
      const replies = await client.pipeline(lines)
      expect(replies.filter((_, i) => i % 3 === 2)).toEqual(expected)
      const alone: string[] = []
      for (const line of lines.slice(0, 150)) alone.push(await client.ask(line))
      expect(alone.filter((_, i) => i % 3 === 2)).toEqual(expected.slice(0, 50))
      await client.pipeline(['MULTI', 'SET block 1', 'INCR block', 'EXEC'])
      expect(await client.pipeline(['GET block', 'INCRBYFLOAT block 0.5', 'GET block'])).toEqual([
        bulk('2'),
        bulk('2.5'),
        bulk('2.5'),
      ])
    })
  },
)

describe('a canary ramp', () => {
  it('copies its share of the key space only, and reads follow the copy', async () => {
    const [old, fresh] = await Promise.all([startRedis(), startRedis()])
    const names = Array.from({ length: 4_000 }, (_, n) => `key:${n}`)
    await old.client().mset(Object.fromEntries(names.map((name) => [name, 'value'])))
    const own = await Ferry.start({ source: old.url, target: fresh.url, phase: 'observe', mover: { batchKeys: 50 } })
    const reader = await WireClient.open(own.port)
    try {
      await own.step('start', { strategy: 'canary' })
      expect((await own.status()).mover.state).toBe('idle')
      expect(await fresh.client().dbsize()).toBe(0)
      for (const percent of [5, 40]) {
        // So slow that the reads come while it copies.
        await own.mover({ keysPerSecondMax: percent === 5 ? 500 : 3_000 })
        await own.step('ramp', { percent })
        const below = Math.round((percent / 100) * slotCount)
        for (let covered = 0; covered < (below / slotCount) * 100; ) {
          const missing = (await reader.pipeline(names.map((name) => `GET ${name}`))).filter((reply) => reply !== bulk('value'))
          expect(missing).toEqual([])
          covered = (await own.status()).coveragePercent
        }
        await own.untilSettled()
        const copied = (await fresh.client().keys('key:*')).sort()
        expect(copied).toEqual(names.filter((name) => slot(name) < below).sort())
        // What is served by the target now can be told by what is on it alone.
        const inside = copied[0] as string
        const outside = names.find((name) => slot(name) >= below) as string
        await fresh.client().mset(inside, 'of the target', outside, 'of the target')
        expect(await reader.pipeline([`GET ${inside}`, `GET ${outside}`])).toEqual([bulk('of the target'), bulk('value')])
        await fresh.client().set(inside, 'value')
        await fresh.client().del(outside)
      }
      await own.mover({ keysPerSecondMax: 0 })
      await own.step('ramp', { percent: 100 })
      await own.untilStatus('everything to be copied', ({ coveragePercent }) => coveragePercent === 100)
      await own.untilSettled()
      expect(await differencesOf(old, fresh)).toEqual([])
    } finally {
      reader.close()
      await own.dispose()
      await Promise.all([old.stop(), fresh.stop()])
    }
  })
})
