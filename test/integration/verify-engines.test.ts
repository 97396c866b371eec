/** The same data in servers of other families, versions and encodings: equal by meaning although hardly a payload is equal. */
import type { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { Verification } from '../../src/mover/verify.ts'
import { connectClient } from '../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../src/upstream/endpoint.ts'
import { farAwayMs, fillEveryType } from '../support/every-type.ts'
import { engineMissing, type RedisServer, startRedis } from '../support/redis-server.ts'

const options = { ttlToleranceMs: 1_000, rounds: 2, settleMs: 10 }
/** Makes every value as unlike its usual form as the settings allow. */
const otherEncodings = [
  ['--hash-max-listpack-entries', '0', '--zset-max-listpack-entries', '0', '--set-max-intset-entries', '0'],
  ['--list-max-listpack-size', '1', '--stream-node-max-entries', '2', '--hll-sparse-max-bytes', '0', '--rdbcompression', 'no'],
].flat()

const servers: RedisServer[] = []
const clients: Redis[] = []

/** No name: the server on PATH. */
async function start(engine: string | undefined, args: string[] = []): Promise<Redis> {
  const server = await startRedis({ ...(engine && { engine }), args })
  servers.push(server)
  const client = await connectClient(parseEndpoint(server.url), 'test')
  clients.push(client)
  return client
}

async function verify(source: Redis, target: Redis) {
  const report = await new Verification({ source, target, options }).run()
  return report.samples.map(({ kind, db, key, detail }) => `${kind} ${db} ${key}: ${detail}`).sort()
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  for (const server of servers.splice(0)) await server.stop()
})

const pairs: [string | undefined, string | undefined][] = [
  [undefined, undefined],
  ['redis-7.0', 'redis-8.0'],
  ['redis-8.0', 'redis-7.0'],
  ['redis-7.0', 'valkey-8.1'],
  ['redis-8.0', 'valkey-8.1'],
  ['valkey-8.1', 'valkey-9.1'],
]

describe.each(pairs)('%s against %s (undefined: the one on PATH)', (sourceName, targetName) => {
  const missing = [sourceName, targetName].some((name) => name !== undefined && engineMissing(name))
  it.skipIf(missing)('with other encodings: equal data is equal, and one change of each type is found', async () => {
    const source = await start(sourceName)
    const target = await start(targetName, otherEncodings)
    await fillEveryType(source)
    await fillEveryType(target)
    expect(await verify(source, target)).toEqual([])

    await target.append('string', '!')
    await target.setbit('bitmap', 9, 1)
    await target.pfadd('hll', 'another')
    await target.lset('list', 1, 'x')
    await target.zadd('zset', 2.25, 'b')
    await target.hset('hash-large', 'f1', 'x')
    await target.multi().srem('set-of-numbers', 1).sadd('set-of-numbers', 4).exec()
    await target.xack('stream', 'workers', '9-1')
    await target.del('many:7')
    await target.set('many:new', '1')
    await target.persist('expiring')
    const found = (await verify(source, target)).map((line) => line.slice(0, line.indexOf(':', line.lastIndexOf(' many') + 6)))
    expect(found.map((line) => line.replace(/: .*/, ''))).toEqual([
      'extra 0 many:new',
      'missing 0 many:7',
      'ttl 0 expiring',
      'value 0 bitmap',
      'value 0 hash-large',
      'value 0 hll',
      'value 0 list',
      'value 0 set-of-numbers',
      'value 0 stream',
      'value 0 string',
      'value 0 zset',
    ])
  })
})

describe('hash fields that expire', () => {
  const fill = async (client: Redis) => {
    await client.hset('session', 'a', '1', 'b', '2')
    await client.hset('large', Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`f${index}`, 'v'])))
  }
  const expire = (client: Redis, key: string, field: string, at: number) => client.call('HPEXPIREAT', key, at, 'FIELDS', 1, field)

  it.skipIf(engineMissing('redis-8.0'))('are compared within the tolerance', async () => {
    const source = await start('redis-8.0')
    const target = await start('redis-8.0', otherEncodings)
    for (const client of [source, target]) await fill(client)
    await expire(source, 'session', 'a', farAwayMs)
    await expire(source, 'large', 'f1999', farAwayMs)
    await expire(target, 'session', 'a', farAwayMs + 1_000)
    await expire(target, 'large', 'f1999', farAwayMs)
    expect(await verify(source, target)).toEqual([])
    await expire(target, 'session', 'a', farAwayMs + 2_000)
    await expire(target, 'large', 'f0', farAwayMs)
    expect(await verify(source, target)).toEqual([
      'value 0 large: field "f0" expires at no time and 2100-01-01T00:00:00.000Z',
      'value 0 session: field "a" expires at 2100-01-01T00:00:00.000Z and 2100-01-01T00:00:02.000Z',
    ])
  })

  it.skipIf(engineMissing('redis-8.0') || engineMissing('redis-7.0'))(
    'are missed on a server that cannot expire them',
    async () => {
      const source = await start('redis-8.0')
      const target = await start('redis-7.0')
      for (const client of [source, target]) await fill(client)
      expect(await verify(source, target)).toEqual([])
      await expire(source, 'session', 'b', farAwayMs)
      const lost = ['value 0 session: field "b" expires at 2100-01-01T00:00:00.000Z and no time']
      expect(await verify(source, target)).toEqual(lost)
      expect(await verify(target, source)).toEqual(['value 0 session: field "b" expires at no time and 2100-01-01T00:00:00.000Z'])
    },
  )
})

describe('a type that only one family knows', () => {
  it.skipIf(engineMissing('redis-8.0'))('vector sets are compared member by member', async () => {
    const source = await start('redis-8.0')
    const target = await start('redis-8.0')
    const add = (client: typeof source, ...words: string[]) => client.call('VADD', 'vectors', 'VALUES', '3', ...words)
    for (let n = 1; n <= 150; n++) await add(source, '1', String(n), '3', `member ${n}`, 'SETATTR', `{"n":${n}}`)
    const restore = async () => target.restore('vectors', 0, (await source.dumpBuffer('vectors')) as Buffer, 'REPLACE')
    await restore()
    // What makes payloads of no use here.
    expect(await target.dumpBuffer('vectors')).not.toEqual(await source.dumpBuffer('vectors'))
    expect(await verify(source, target)).toEqual([])

    const found = async (): Promise<string[]> => {
      const difference = await verify(source, target)
      await restore()
      return difference
    }
    await add(target, '9', '9', '9', 'member 1')
    expect(await found()).toEqual(['value 0 vectors: member "member 1" has another vector or other attributes'])
    await target.call('VSETATTR', 'vectors', 'member 150', '{"n":0}')
    expect(await found()).toEqual(['value 0 vectors: member "member 150" has another vector or other attributes'])
    await target.call('VREM', 'vectors', 'member 2')
    expect(await found()).toEqual(['value 0 vectors: vector sets of 150 and 149 members'])
    await target.del('vectors')
    await target.call('VADD', 'vectors', 'VALUES', 3, 1, 2, 3, 'one', 'NOQUANT')
    await source.del('vectors')
    await source.call('VADD', 'vectors', 'VALUES', 3, 1, 2, 3, 'one')
    expect(await verify(source, target)).toEqual(['value 0 vectors: vector sets with quant-type int8 and f32'])
  })
})
