import type { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let onSource: Redis
let onTarget: Redis
let ferry: Ferry
let client: WireClient

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  onSource = source.client()
  onTarget = target.client()
  ferry = await Ferry.start({
    source: source.url,
    target: target.url,
    readRepair: true,
    versions: [
      { pattern: 'doc:*', kind: 'json-path', path: 'meta.rev' },
      { pattern: 'user:*', kind: 'hash-field', field: 'version' },
      { pattern: 'log:*', kind: 'stream-id' },
    ],
  })
  client = await WireClient.open(ferry.port)
  await client.ask('SET first 1')
  await ferry.untilSettled()
  await ferry.backfill()
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

beforeEach(async () => {
  client.close()
  client = await WireClient.open(ferry.port)
  expect(await client.ask('FLUSHALL')).toBe('+OK\r\n')
})

async function equalAgain(): Promise<void> {
  await until(async () => (await differencesOf(source, target)).length === 0, { what: 'the sides to be equal again' })
}

const divergences = async (): Promise<number> => (await ferry.status()).divergencesTotal

describe('replicated', () => {
  beforeEach(async () => {
    await ferry.traffic({ readMode: 'replicated' })
  })

  it('finds and mends what differs', async () => {
    const before = await divergences()
    await client.pipeline(['SET k right', 'SADD s a b c'])
    await onTarget.set('k', 'wrong!')
    expect(await client.ask('GET k')).toBe(bulk('right'))
    await equalAgain()
    expect(await onTarget.get('k')).toBe('right')
    expect(await ferry.get('/v1/divergence')).toMatchObject({
      total: before + 1,
      recent: [{ data: { command: 'get', key: 'k', sourceBytes: 11, targetBytes: 12 } }],
    })
  })

  it('finds nothing where the sides agree, in either protocol and whatever the type', async () => {
    const before = await divergences()
    const reads = ['GET k', 'MGET k n', 'SMEMBERS s', 'HGETALL h', 'ZRANGE z 0 -1 WITHSCORES', 'LRANGE l 0 -1', 'TTL k', 'PTTL k']
    const more = [
      'XRANGE x - +',
      'GEOPOS g a',
      'TYPE k',
      'EXISTS k n',
      'ZSCORE z a',
      'HMGET h f n',
      'LRANGE k 0 1',
      'OBJECT ENCODING k',
    ]
    await client.pipeline([
      'SET k v EX 100',
      'SADD s 1 2 x',
      'HSET h f 1 g 2',
      'ZADD z 1.5 a 2 b',
      'RPUSH l a b',
      'XADD x 1-1 f v',
    ])
    await client.pipeline(['GEOADD g 1 2 a'])
    for (const protocol of [2, 3]) {
      await client.ask(`HELLO ${protocol}`)
      for (const line of [...reads, ...more]) expect(await client.ask(line)).not.toBe('')
    }
    // Whatever would have been looked at again has been by now: it comes before this one, which does differ.
    await onTarget.set('differs', '1')
    await client.ask('GET differs')
    await equalAgain()
    expect(await divergences()).toBe(before + 1)
  })
})

describe('fallback-on-miss', () => {
  beforeEach(async () => {
    await ferry.traffic({ readMode: 'fallback-on-miss' })
  })

  it('reads from the target, from the source what the target lacks, and mends it', async () => {
    await client.pipeline(['SET a 1', 'SET b 2', 'HSET h f 1 g 2'])
    await onTarget.set('a', 'targets')
    await onTarget.del('b', 'h')
    expect(await client.ask('GET a')).toBe(bulk('targets'))
    expect(await client.ask('MGET a b c')).toBe(`*3\r\n${bulk('targets')}${bulk('2')}$-1\r\n`)
    expect(await client.ask('HLEN h')).toBe(':2\r\n')
    await until(async () => (await onTarget.get('b')) === '2' && (await onTarget.hlen('h')) === 2, { what: 'the repair' })
  })

  it('keeps the client’s own order: a write does not overtake the read before it', async () => {
    await client.ask('SET k v')
    for (let i = 0; i < 20; i++) {
      await client.ask(`SET k ${i}`)
      await onTarget.del('k')
      expect(await client.pipeline(['GET k', 'DEL k', 'GET k'])).toEqual([bulk(`${i}`), ':1\r\n', '$-1\r\n'])
      await client.ask(`RPUSH q ${i}`)
      await onTarget.del('q')
      const replies = await client.pipeline(['LRANGE q 0 -1', 'MULTI', 'DEL q', 'EXEC'])
      expect(replies[0]).toBe(`*1\r\n${bulk(`${i}`)}`)
    }
  })

  it('carries a long value', async () => {
    const value = 'v'.repeat(3_000_000)
    await client.call('SET', 'long', value)
    expect(await client.ask('GET long')).toBe(bulk(value))
    await onTarget.del('long')
    expect(await client.ask('GET long')).toBe(bulk(value))
  })
})

describe('version-compare', () => {
  beforeEach(async () => {
    await ferry.traffic({ readMode: 'version-compare' })
  })

  it('gives the newer one, and mends the older one', async () => {
    await client.call('SET', 'doc:1', '{"meta":{"rev":9}}')
    await client.ask('HSET user:1 version 1 name old')
    await client.ask('XADD log:1 5-1 f v')
    await onTarget.set('doc:1', '{"meta":{"rev":10}}')
    await onTarget.hset('user:1', { version: 2, name: 'new' })
    await onSource.xadd('log:1', '6-1', 'f', 'newer')
    expect(await client.ask('GET doc:1')).toBe(bulk('{"meta":{"rev":10}}'))
    expect(await client.ask('HGET user:1 name')).toBe(bulk('new'))
    expect(await client.ask('XLEN log:1')).toBe(':2\r\n')
    await equalAgain()
    expect(await onSource.hget('user:1', 'name')).toBe('new')
    expect(await onTarget.xlen('log:1')).toBe(2)
  })

  it('gives the authority’s where there is no rule, and no version', async () => {
    await client.pipeline(['SET other 1', 'HSET user:1 name s'])
    await onTarget.set('other', '2')
    await onTarget.hset('user:1', { version: 9 })
    expect(await client.ask('GET other')).toBe(bulk('1'))
    expect(await client.ask('HGET user:1 version')).toBe('$-1\r\n')
  })
})
