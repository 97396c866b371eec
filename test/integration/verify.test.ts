import type { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { verifyReport } from '../../src/control/schemas.ts'
import { Verification, type VerificationOptions } from '../../src/mover/verify.ts'
import type { VerificationReport } from '../../src/mover/verify-report.ts'
import { connectClient } from '../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../src/upstream/endpoint.ts'
import { binaryKey, farAwayMs, fillEveryType } from '../support/every-type.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'

let servers: [RedisServer, RedisServer]
let source: Redis
let target: Redis

const defaults: VerificationOptions = { ttlToleranceMs: 1_000, rounds: 1, settleMs: 10 }

function verify(options: Partial<VerificationOptions> = {}, clients = { source, target }): Promise<VerificationReport> {
  return new Verification({ ...clients, options: { ...defaults, ...options } }).run()
}

const kinds = (report: VerificationReport) => report.samples.map(({ db, key, kind }) => `${kind} ${db} ${key}`).sort()

async function commandCalls(client: Redis, name: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(await client.info('commandstats'))?.[1] ?? 0)
}

const clientOf = (url: string) => connectClient(parseEndpoint(url), 'test')

beforeAll(async () => {
  servers = [await startRedis(), await startRedis()]
  source = await clientOf(servers[0].url)
  target = await clientOf(servers[1].url)
})

afterAll(async () => {
  for (const client of [source, target]) client?.disconnect()
  for (const server of servers ?? []) await server.stop()
})

beforeEach(async () => {
  for (const client of [source, target]) {
    await client.flushall()
    await client.config('RESETSTAT')
  }
})

describe('two servers with every type', () => {
  beforeEach(async () => {
    await fillEveryType(source)
    await fillEveryType(target)
  })

  it('are equal, and the report fits the control schema', async () => {
    const report = await verify()
    expect(kinds(report)).toEqual([])
    expect(report).toMatchObject({
      state: 'done',
      differences: 0,
      missing: 0,
      extra: 0,
      ttlDifferences: 0,
      repaired: 0,
      error: null,
    })
    const keys = (await source.dbsize()) + 2
    expect(report.keysCompared).toBeGreaterThanOrEqual(keys)
    expect(verifyReport.parse(report)).toEqual(report)
  })

  it('are equal whichever side cached the count of a HyperLogLog', async () => {
    await source.pfcount('hll')
    await target.pfcount('hll-dense')
    expect(kinds(await verify())).toEqual([])
  })

  it('are equal although reads made other times since use', async () => {
    await target.xclaim('stream', 'workers', 'anna', 0, '2-1', 'IDLE', 90_000, 'RETRYCOUNT', 1, 'JUSTID')
    expect(kinds(await verify())).toEqual([])
  })

  const changes: [string, (client: Redis) => Promise<unknown>, string, RegExp][] = [
    ['missing key', (c) => c.del('list'), 'missing 0 list', /only the source/],
    ['extra key', (c) => c.set('new', '1'), 'extra 0 new', /only the target/],
    ['extra key in a database that the source does not have', (c) => inDatabase(c, 9, 'new'), 'extra 9 new', /only the target/],
    ['missing key in another database', (c) => inDatabase(c, 3, null), 'missing 3 string', /only the source/],
    ['type', (c) => c.multi().del('set').rpush('set', 'a').exec(), 'type 0 set', /^set on the source, list on the target$/],
    ['string', (c) => c.set('string', 'valuE'), 'value 0 string', /5 and 5 bytes, different from byte 4/],
    ['longer string', (c) => c.append('string', '!'), 'value 0 string', /5 and 6 bytes, different from byte 5/],
    ['value of a binary key', (c) => c.set(binaryKey, 'x'), 'value 0 b\\x00\\xff\\x0d\\x0a\\x80', /strings of 6 and 1 bytes/],
    ['bitmap', (c) => c.setbit('bitmap', 8, 1), 'value 0 bitmap', /different from byte 1 on/],
    ['HyperLogLog', (c) => c.pfadd('hll', 'another'), 'value 0 hll', /strings of/],
    ['dense HyperLogLog', (c) => c.pfadd('hll-dense', ...'abcdefghijklmnop'), 'value 0 hll-dense', /strings of/],
    ['TTL gone', (c) => c.persist('expiring'), 'ttl 0 expiring', /never on the target/],
    ['TTL added', (c) => c.pexpire('hash', 100_000), 'ttl 0 hash', /expires never on the source/],
    ['TTL moved', (c) => c.pexpireat('zset', farAwayMs + 1_001), 'ttl 0 zset', /2100-01-01T00:00:00.000Z on the source/],
    ['list order', (c) => c.lmove('list', 'list', 'LEFT', 'RIGHT'), 'value 0 list', /^list element 0 differs$/],
    ['list element', (c) => c.lset('list-large', 650, 'x'), 'value 0 list-large', /^list element 650 differs$/],
    ['list length', (c) => c.rpop('list-large'), 'value 0 list-large', /700 and 699/],
    ['hash field', (c) => c.hset('hash-large', 'f333', 'x'), 'value 0 hash-large', /field "f333" has another value/],
    [
      'hash field gone',
      (c) => c.hdel('hash', binaryKey),
      'value 0 hash',
      /field "b\\x00\\xff.*" is not in the hash on the target/,
    ],
    ['hash field added', (c) => c.hset('hash', 'x', '1'), 'value 0 hash', /field "x" is in the hash on the target only/],
    [
      'hash field renamed',
      (c) => c.multi().hdel('hash', 'name').hset('hash', 'Name', 'Ada').exec(),
      'value 0 hash',
      /field "name"/,
    ],
    [
      'set member',
      (c) => c.multi().srem('set-large', 'member-9').sadd('set-large', 'x').exec(),
      'value 0 set-large',
      /"member-9"/,
    ],
    [
      'score',
      (c) => c.zadd('zset-large', 1.0000000001, 'm7'),
      'value 0 zset-large',
      /"m7" at rank 7 has score 1 and 1.0000000001/,
    ],
    ['sorted set member', (c) => c.multi().zrem('zset', 'd').zadd('zset', 'inf', 'D').exec(), 'value 0 zset', /member "d"/],
    ['geo', (c) => c.geoadd('geo', 13.4, 38.1, 'Palermo'), 'value 0 geo', /Palermo|rank 0/],
    [
      'stream entry',
      (c) => c.multi().xdel('stream', '300-1').xadd('stream', '300-2', 'n', '300').exec(),
      'value 0 stream',
      /300-1/,
    ],
    ['stream last id', (c) => c.call('XSETID', 'stream', '999-0'), 'value 0 stream', /last-generated-id is 300-1 and 999-0/],
    ['stream entry deleted', (c) => c.xdel('stream', '100-1'), 'value 0 stream', /length is 299 and 298/],
    ['group', (c) => c.xgroup('DESTROY', 'stream', 'idle'), 'value 0 stream', /group "idle" is not on the target/],
    [
      'group on an empty stream',
      (c) => c.xgroup('SETID', 'stream-empty', 'g', '1-1'),
      'value 0 stream-empty',
      /last-delivered-id/,
    ],
    ['consumer', (c) => c.xgroup('DELCONSUMER', 'stream', 'workers', 'sleeper'), 'value 0 stream', /consumer "sleeper" is not/],
    ['pending entry acknowledged', (c) => c.xack('stream', 'workers', '9-1'), 'value 0 stream', /group "workers": pending is/],
    [
      'pending entry of another consumer',
      (c) => c.xclaim('stream', 'workers', 'bert', 0, '9-1', 'JUSTID'),
      'value 0 stream',
      /consumer "anna": pending is/,
    ],
    [
      'delivery count',
      (c) => c.xclaim('stream', 'workers', 'anna', 0, '9-1', 'RETRYCOUNT', 7, 'JUSTID'),
      'value 0 stream',
      /pending entry 9-1 was delivered 1 and 7 times/,
    ],
  ]

  it.each(changes)('differ by exactly one: %s', async (_name, change, expected, detail) => {
    await change(target)
    const report = await verify({ rounds: 2 })
    expect(kinds(report)).toEqual([expected])
    expect(report.samples[0]?.detail).toMatch(detail)
    const { differences, missing, extra, ttlDifferences } = report
    expect(differences + missing + extra + ttlDifferences).toBe(1)
  })

  it('finds the same without DUMP and PEXPIRETIME, as a user with a password', async () => {
    for (const client of [source, target]) {
      await client.call(
        'ACL',
        'SETUSER',
        'auditor',
        'on',
        '>p w',
        '~*',
        '+@all',
        '-dump',
        '-pexpiretime',
        '-memory',
        '-smismember',
      )
    }
    const clients = await Promise.all(servers.map(({ port }) => clientOf(`redis://auditor:p%20w@127.0.0.1:${port}`)))
    const [auditedSource, auditedTarget] = clients as [Redis, Redis]
    try {
      const pair = { source: auditedSource, target: auditedTarget }
      expect(kinds(await verify({}, pair))).toEqual([])
      await target.pexpireat('expiring', farAwayMs - 60_000)
      await target.set('string', 'other')
      await target.multi().srem('set', 'a').sadd('set', 'x').exec()
      expect(kinds(await verify({}, pair))).toEqual(['ttl 0 expiring', 'value 0 set', 'value 0 string'])
      expect(await commandCalls(source, 'dump')).toBe(0)
    } finally {
      for (const client of clients) client.disconnect()
    }
  })

  it('are compared over unix sockets as well', async () => {
    const overSockets = await Promise.all(servers.map(({ socketPath }) => clientOf(`unix://${socketPath}`)))
    const [socketSource, socketTarget] = overSockets as [Redis, Redis]
    await target.del('list')
    try {
      expect(kinds(await verify({}, { source: socketSource, target: socketTarget }))).toEqual(['missing 0 list'])
    } finally {
      for (const client of overSockets) client.disconnect()
    }
  })

  it('hands every key that differs to the repair, and counts those that it mended', async () => {
    await target.del('list')
    await target.set('new', '1')
    await target.set(binaryKey, 'x')
    await target.persist('expiring')
    await inDatabase(target, 3, null)
    const asked: string[] = []
    const report = await verify({
      repair: async (keys) => {
        for (const { db, key } of keys) {
          asked.push(`${db} ${key.toString('latin1')}`)
          if (db === 3) continue
          const payload = await source.dumpBuffer(key)
          if (payload === null) await target.del(key)
          else await target.restore(key, Math.max(0, await source.pexpiretime(key)), payload, 'REPLACE', 'ABSTTL')
        }
      },
    })
    expect(asked.sort()).toEqual(['0 expiring', '0 list', '0 new', `0 ${binaryKey.toString('latin1')}`, '3 string'].sort())
    expect(report).toMatchObject({ differences: 1, missing: 2, extra: 1, ttlDifferences: 1, repaired: 4 })
    expect(kinds(await verify())).toEqual(['missing 3 string'])
  })
})

async function inDatabase(client: Redis, db: number, set: string | null): Promise<void> {
  const pipeline = client.pipeline().select(db)
  if (set === null) pipeline.del('string')
  else pipeline.set(set, '1')
  await pipeline.select(0).exec()
}

describe('expiry', () => {
  it('within the tolerance is equal', async () => {
    await source.set('k', 'v', 'PXAT', farAwayMs)
    await target.set('k', 'v', 'PXAT', farAwayMs + 1_000)
    expect(kinds(await verify())).toEqual([])
    expect(kinds(await verify({ ttlToleranceMs: 999 }))).toEqual(['ttl 0 k'])
  })

  it('that is due within the tolerance explains a key that is gone on one side', async () => {
    await source.set('due', 'v', 'PX', 30_000)
    await source.set('lasting', 'v', 'PX', 90_000)
    await target.set('also-due', 'v', 'PX', 30_000)
    expect(kinds(await verify({ ttlToleranceMs: 30_000 }))).toEqual(['missing 0 lasting'])
    expect(kinds(await verify())).toEqual(['extra 0 also-due', 'missing 0 due', 'missing 0 lasting'])
  })
})

describe('values above the payload limit', () => {
  const kilobyte = 'k'.repeat(1_000)
  const numbers = Array.from({ length: 10_000 }, (_, index) => index)

  async function fillLarge(client: Redis): Promise<void> {
    const fill = client.pipeline()
    fill.set('string', Buffer.alloc(10 << 20, 'x'))
    for (const n of numbers) {
      fill.rpush('list', `${n}${kilobyte}`).sadd('set', `${n}${kilobyte}`).zadd('zset', n, `${n}${kilobyte}`)
      fill.hset('hash', n, kilobyte).xadd('stream', `${n + 1}-0`, 'f', kilobyte)
    }
    await fill.exec()
  }

  it('are compared in windows, without a payload', async () => {
    await fillLarge(source)
    await fillLarge(target)
    expect(kinds(await verify())).toEqual([])
    await target.setrange('string', (10 << 20) - 1, 'y')
    await target.lset('list', 9_999, 'y')
    await target.multi().srem('set', `77${kilobyte}`).sadd('set', 'y').exec()
    await target.zadd('zset', 9_998.5, `9998${kilobyte}`)
    await target.hset('hash', '5555', 'y')
    await target.multi().xdel('stream', '9000-0').xdel('stream', '9001-0').exec()
    const report = await verify()
    expect(kinds(report)).toEqual(['hash', 'list', 'set', 'stream', 'string', 'zset'].map((key) => `value 0 ${key}`))
    expect(report.samples.find(({ key }) => key === 'string')?.detail).toContain(`different from byte ${(10 << 20) - 1} on`)
    expect(await commandCalls(source, 'dump')).toBe(0)
    expect(await commandCalls(target, 'dump')).toBe(0)
  }, 60_000)
})

describe('while things move', () => {
  it('a key that settles between the rounds is no difference', async () => {
    await source.set('moving', '2')
    await source.set('stuck', '2')
    await target.set('moving', '1')
    await target.set('stuck', '1')
    let seen = 0
    const report = await verify({
      rounds: 20,
      onProgress: ({ differences }) => {
        seen = Math.max(seen, differences)
        void target.set('moving', '2')
      },
    })
    expect(seen).toBe(2)
    expect(kinds(report)).toEqual(['value 0 stuck'])
  })

  it('live writes that reach the target a little later are no differences', async () => {
    const keys = Array.from({ length: 100 }, (_, index) => `counter:${index}`)
    for (const client of [source, target]) await client.mset(Object.fromEntries(keys.map((key) => [key, '0'])))
    let running = true
    const traffic = (async () => {
      for (let n = 0; running; n += 1) {
        const key = keys[(n * 37) % keys.length] as string
        await source.incr(key)
        await new Promise((resolve) => setTimeout(resolve, 2))
        await target.incr(key)
      }
    })()
    for (let repeat = 0; repeat < 10; repeat += 1) expect(kinds(await verify({ rounds: 6, settleMs: 15 }))).toEqual([])
    running = false
    await traffic
  })

  it('stops at once when it is told to', async () => {
    await fillEveryType(source)
    const stop = new AbortController()
    const verification = new Verification({
      source,
      target,
      options: { ...defaults, rounds: 20, settleMs: 60_000, signal: stop.signal, onProgress: () => stop.abort() },
    })
    await expect(verification.run()).rejects.toMatchObject({ code: 'interrupted' })
    expect(verification.report()).toMatchObject({ state: 'failed', error: 'the verification was stopped' })
  })

  it('stops at once when it waits for a server that says nothing', async () => {
    const silent = await startRedis()
    const client = await clientOf(silent.url)
    silent.freeze()
    const stop = new AbortController()
    const run = new Verification({ source, target: client, options: { ...defaults, signal: stop.signal } }).run()
    const failure = expect(run).rejects.toMatchObject({ code: 'interrupted' })
    stop.abort()
    await failure
    client.disconnect()
    await silent.stop()
  })

  it('fails with the address when a server goes away', async () => {
    const doomed = await startRedis()
    const client = await clientOf(doomed.url)
    await client.call('CLIENT', 'PAUSE', '60000', 'ALL')
    const verification = new Verification({ source, target: client, options: defaults })
    const failure = expect(verification.run()).rejects.toMatchObject({
      code: 'endpoint-unreachable',
      message: expect.stringContaining(String(doomed.port)),
    })
    await doomed.kill9()
    await failure
    client.disconnect()
    await doomed.stop()
    expect(verification.report().state).toBe('failed')
  })
})
