/** Differences of every kind, planted at random: all of them are found, each as what it is, and nothing else. */
import type { Redis } from 'ioredis'
import { afterAll, describe, expect, it } from 'vitest'
import { Random } from '../../../src/demo/random.ts'
import { Verification } from '../../../src/mover/verify.ts'
import { connectClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { farAwayMs } from '../../support/every-type.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

const servers: RedisServer[] = []
const clients: Redis[] = []
const keysPerType = 60
const toleranceMs = 1_000

afterAll(async () => {
  for (const client of clients) client.disconnect()
  for (const server of servers) await server.stop()
})

async function start(engine: string | undefined, args: string[] = []): Promise<Redis> {
  const server = await startRedis({ ...(engine && { engine }), args })
  servers.push(server)
  const client = await connectClient(parseEndpoint(server.url), 'test')
  clients.push(client)
  return client
}

type Kind = 'missing' | 'extra' | 'type' | 'value' | 'ttl'
interface Plant {
  readonly kind: Kind | null
  readonly do: (target: Redis, key: string, random: Random) => Promise<unknown>
}

const anyType: Plant[] = [
  { kind: 'missing', do: (t, key) => t.del(key) },
  { kind: 'type', do: (t, key) => t.multi().del(key).xadd(key, '1-1', 'a', 'b').exec() },
  { kind: 'ttl', do: (t, key) => t.pexpireat(key, farAwayMs + toleranceMs + 1) },
  { kind: null, do: (t, key) => t.pexpireat(key, farAwayMs + toleranceMs) },
  { kind: 'ttl', do: (t, key) => t.persist(key) },
]

const byType: Record<
  string,
  { fill: (both: Redis, key: string, random: Random, reverse: boolean) => Promise<unknown>; plants: Plant[] }
> = {
  string: {
    fill: (c, key, random) => c.set(key, 's'.repeat(1 + random.below(60))),
    plants: [
      { kind: 'value', do: (t, key) => t.setrange(key, 0, 'S') },
      { kind: 'value', do: (t, key) => t.append(key, '!') },
    ],
  },
  long: {
    fill: (c, key, random) => c.set(key, 'l'.repeat([4_095, 4_096, 4_097, 50_000, 1_500_000][random.below(5)] as number)),
    plants: [
      { kind: 'value', do: async (t, key, random) => t.setrange(key, random.below(await t.strlen(key)), 'L') },
      { kind: 'value', do: (t, key) => t.append(key, '!') },
    ],
  },
  list: {
    fill: (c, key, random) => c.rpush(key, ...elements(1 + random.below(300))),
    plants: [
      { kind: 'value', do: async (t, key, random) => t.lset(key, random.below(await t.llen(key)), 'x') },
      { kind: 'value', do: (t, key) => t.rpush(key, 'x') },
      { kind: 'value', do: (t, key) => t.lset(key, 0, 'E0') },
    ],
  },
  set: {
    fill: (c, key, random, reverse) => c.sadd(key, ...turned(elements(2 + random.below(700)), reverse)),
    plants: [
      { kind: 'value', do: (t, key) => t.multi().srem(key, 'e1').sadd(key, 'x').exec() },
      { kind: 'value', do: (t, key) => t.sadd(key, 'x') },
    ],
  },
  zset: {
    fill: (c, key, random, reverse) => c.zadd(key, ...turned(elements(2 + random.below(300)), reverse).flatMap((e) => [0, e])),
    plants: [
      { kind: 'value', do: (t, key) => t.zadd(key, 0.1, 'e1') },
      // The order stays what it was.
      { kind: 'value', do: async (t, key) => t.zadd(key, 0.1, (await t.zrevrange(key, 0, 0))[0] as string) },
      { kind: 'value', do: (t, key) => t.multi().zrem(key, 'e0').zadd(key, 0, 'x').exec() },
    ],
  },
  hash: {
    fill: (c, key, random, reverse) =>
      c.hset(key, ...turned(elements(2 + random.below(700)), reverse).flatMap((e) => [e, `v-${e}`])),
    plants: [
      { kind: 'value', do: (t, key) => t.hset(key, 'e1', 'x') },
      { kind: 'value', do: (t, key) => t.hset(key, 'e1', 'V-e1') },
      { kind: 'value', do: (t, key) => t.multi().hdel(key, 'e1').hset(key, 'E1', 'v-e1').exec() },
    ],
  },
  stream: {
    fill: async (c, key, random) => {
      const entries = 2 + random.below(150)
      const fill = c.pipeline()
      for (let n = 1; n <= entries; n++) fill.xadd(key, `${n}-0`, 'n', n)
      await fill.xgroup('CREATE', key, 'g', '0').xreadgroup('GROUP', 'g', 'c', 'COUNT', 2, 'STREAMS', key, '>').exec()
    },
    plants: [
      { kind: 'value', do: (t, key) => t.xack(key, 'g', '1-0') },
      { kind: 'value', do: (t, key) => t.xdel(key, '2-0') },
      { kind: 'value', do: (t, key) => t.xgroup('CREATECONSUMER', key, 'g', 'other') },
    ],
  },
}

const elements = (count: number): string[] => Array.from({ length: count }, (_, index) => `e${index}`)
const turned = (items: string[], reverse: boolean): string[] => (reverse ? items.reverse() : items)

async function fill(client: Redis, seed: number, reverse: boolean): Promise<void> {
  await client.flushall()
  for (const db of [0, 5]) {
    await client.select(db)
    for (const [type, { fill }] of Object.entries(byType)) {
      for (let n = 0; n < keysPerType / (db === 0 ? 1 : 10); n++) {
        const key = `${type}:${n}`
        await fill(client, key, new Random(seed + n), reverse)
        await client.pexpireat(key, farAwayMs)
      }
    }
  }
  await client.select(0)
}

/** What must be found, as `kind db key`. */
async function plant(target: Redis, seed: number): Promise<string[]> {
  const random = new Random(seed)
  const expected: string[] = []
  for (const db of [0, 5]) {
    await target.select(db)
    for (const [type, { plants }] of Object.entries(byType)) {
      for (let n = 0; n < keysPerType / (db === 0 ? 1 : 10); n++) {
        if (random.below(4) > 0) continue
        const key = `${type}:${n}`
        const all = [...anyType.filter(({ kind }) => type !== 'stream' || kind !== 'type'), ...plants]
        const chosen = all[random.below(all.length)] as Plant
        await chosen.do(target, key, random)
        if (chosen.kind !== null) expected.push(`${chosen.kind} ${db} ${key}`)
      }
    }
    for (let n = 0; n < 20; n++) {
      await target.set(`extra:${n}`, n)
      expected.push(`extra ${db} extra:${n}`)
    }
  }
  await target.select(0)
  return expected.sort()
}

const given = process.env.FERRY_TEST_SEED
const seed = given === undefined ? Math.floor(Math.random() * 1e9) : Number(given)

const pairs: [string | undefined, string | undefined][] = [
  [undefined, undefined],
  ['redis-7.0', 'valkey-9.1'],
  ['redis-8.0', 'redis-7.0'],
]

describe.each(pairs)(`%s against %s, seed ${seed}`, (sourceName, targetName) => {
  const missing = [sourceName, targetName].some((name) => name !== undefined && engineMissing(name))
  it.skipIf(missing)('finds exactly what was planted', async () => {
    // A change that keeps the length of a value is to keep the length of its payload.
    const source = await start(sourceName, ['--rdbcompression', 'no'])
    const target = await start(targetName, ['--rdbcompression', 'no'])
    await fill(source, seed, false)
    await fill(target, seed, true)
    const expected = await plant(target, seed)
    const found: string[] = []
    const report = await new Verification({
      source,
      target,
      options: {
        ttlToleranceMs: toleranceMs,
        rounds: 2,
        settleMs: 1,
        // The samples are the first hundred only; a repair is asked for every one.
        repair: async (keys) => void found.push(...keys.map(({ db, key }) => `${db} ${key}`)),
      },
    }).run()
    expect(found.sort(), `seed ${seed}`).toEqual(expected.map((line) => line.slice(line.indexOf(' ') + 1)).sort())
    const kinds = Object.groupBy(expected, (line) => line.slice(0, line.indexOf(' ')))
    const planted = Object.fromEntries(Object.entries(kinds).map(([kind, lines]) => [kind, lines?.length ?? 0]))
    expect({
      missing: report.missing,
      extra: report.extra,
      type: report.typeDifferences,
      value: report.differences - report.typeDifferences,
      ttl: report.ttlDifferences,
    }).toEqual(planted)
    const samples = report.samples.map(({ kind, db, key }) => `${kind} ${db} ${key}`)
    expect(samples.filter((sample) => !expected.includes(sample))).toEqual([])
    expect(report.patterns.reduce((sum, { found: f }) => sum + f.missing + f.extra + f.type + f.value + f.ttl, 0)).toBe(
      expected.length,
    )
    expect(report.patterns.map(({ pattern }) => pattern)).toEqual(expect.arrayContaining(['extra:*', 'hash:*', 'string:*']))
  })
})
