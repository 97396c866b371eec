import type { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { exchange, readPayloads, TransferLost, writePayloads } from '../../../src/dispatch/key-transfer.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { binaryKey, farAwayMs, fillEveryType } from '../../support/every-type.ts'
import { bulk, type FakeRedis, startFakeRedis } from '../../support/fake-redis.ts'
import { type LaneFixture, laneTo } from '../../support/lane-fixture.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

const key = (name: string): Buffer => Buffer.from(name)
const servers: RedisServer[] = []
const fixtures: LaneFixture[] = []
let source: Lane
let target: Lane

async function laneUp(port: number): Promise<Lane> {
  const fixture = laneTo(port)
  fixtures.push(fixture)
  fixture.lane.connect()
  await fixture.up()
  return fixture.lane
}

const server = (at: 0 | 1): RedisServer => servers[at] as RedisServer
const from = (): Redis => server(0).client()
const to = (): Redis => server(1).client()

beforeAll(async () => {
  servers.push(...(await Promise.all([0, 1].map(() => startRedis({ args: ['--enable-debug-command', 'local'] })))))
  source = await laneUp(server(0).port)
  target = await laneUp(server(1).port)
})
afterAll(async () => {
  for (const { lane } of fixtures) lane.close()
  await Promise.all(servers.map((one) => one.stop()))
})
beforeEach(async () => {
  await Promise.all([from().flushall(), to().flushall()])
})

/** Of the whole data set. */
const digest = (client: Redis): Promise<unknown> => client.call('DEBUG', ['DIGEST'])

const copy = async (db: number, keys: readonly Buffer[]): Promise<(string | null)[]> =>
  writePayloads(target, db, await readPayloads(source, db, keys))

describe('copying keys between two servers', () => {
  it('carries every type, binary names, expiries and databases', async () => {
    const [a, b] = [from(), to()]
    await fillEveryType(a)
    for (const db of [0, 3]) {
      await a.select(db)
      await b.select(db)
      const keys = await a.keysBuffer('*')
      expect(new Set(await copy(db, keys))).toEqual(new Set([null]))
      expect(await b.dbsize()).toBe(keys.length)
    }
    await a.select(0)
    await b.select(0)
    expect(await digest(b)).toBe(await digest(a))
    for (const name of await a.keysBuffer('*')) {
      // A digest leaves out what only a dump shows, such as a stream's groups.
      expect(await b.pexpiretime(name), name.toString('latin1')).toBe(await a.pexpiretime(name))
      expect(await b.type(name), name.toString('latin1')).toBe(await a.type(name))
    }
    expect(await b.pexpiretime('expiring')).toBe(farAwayMs)
    expect(await b.getBuffer(binaryKey)).toEqual(binaryKey)
    expect(await b.get('')).toBe('the empty name')
    expect(await b.call('XINFO', 'GROUPS', 'stream')).toEqual(await a.call('XINFO', 'GROUPS', 'stream'))
    expect(await b.call('ZRANGE', 'zset', '0', '-1', 'WITHSCORES')).toEqual(
      await a.call('ZRANGE', 'zset', '0', '-1', 'WITHSCORES'),
    )
  })

  it('takes what the source does not have from the target', async () => {
    const [a, b] = [from(), to()]
    await a.set('here', '1')
    await b.mset('gone', 'stale', 'here', 'stale')
    const payloads = await readPayloads(source, 0, [key('gone'), key('here'), key('never')])
    expect(payloads.map(({ bytes }) => bytes !== null)).toEqual([false, true, false])
    expect(payloads.map(({ expiresAtMs, error }) => [expiresAtMs, error])).toEqual([
      [0, null],
      [0, null],
      [0, null],
    ])
    expect(await writePayloads(target, 0, payloads)).toEqual([null, null, null])
    expect(await b.keys('*')).toEqual(['here'])
    expect(await b.get('here')).toBe('1')
  })

  it('replaces a key of another type, and its expiry', async () => {
    const [a, b] = [from(), to()]
    await a.rpush('k', 'x')
    await b.set('k', 'v', 'PX', 60_000)
    expect(await copy(0, [key('k')])).toEqual([null])
    expect(await b.lrange('k', 0, -1)).toEqual(['x'])
    expect(await b.pttl('k')).toBe(-1)
  })

  it('carries a value of 20 MB between small ones', async () => {
    const [a, b] = [from(), to()]
    const large = Buffer.alloc(20 * 2 ** 20)
    // Not compressible, so that the payload is as large as the value.
    for (let at = 0, state = 1; at < large.length; at += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
      large.writeInt32LE(state, at)
    }
    await a.set('large', large, 'PXAT', farAwayMs)
    await a.mset('small', '1', 'medium', Buffer.alloc(16_500, 7))
    expect(await copy(0, ['small', 'large', 'none', 'medium', 'small'].map(key))).toEqual([null, null, null, null, null])
    expect((await b.getBuffer('large'))?.equals(large)).toBe(true)
    expect(await b.pexpiretime('large')).toBe(farAwayMs)
    expect(await b.getBuffer('medium')).toEqual(Buffer.alloc(16_500, 7))
    expect(await b.get('small')).toBe('1')
  })

  it('a key at the boundary between copied and passed-on payloads, and long names, arrive whole', async () => {
    const [a, b] = [from(), to()]
    const keys = [47, 48, 49, 1_000, 70_000].map((length) => Buffer.alloc(length, 'k'))
    const sizes = [16_370, 16_371, 16_372, 16_384, 16_385]
    for (const [i, name] of keys.entries())
      await a.set(name, Buffer.from(Array.from({ length: sizes[i] as number }, (_, n) => (n * n * 31 + n) % 251)))
    expect(await copy(0, keys)).toEqual(keys.map(() => null))
    for (const name of keys) expect(await b.getBuffer(name)).toEqual(await a.getBuffer(name))
  })

  it('does not bring a key to life that is past its expiry', async () => {
    const b = to()
    await from().set('k', 'v')
    const [payload] = await readPayloads(source, 0, [key('k')])
    if (payload === undefined) throw new Error('nothing was read')
    await b.set('k', 'stale')
    await writePayloads(target, 0, [{ ...payload, expiresAtMs: Date.now() - 1_000 }])
    expect(await b.exists('k')).toBe(0)
  })

  it('gives the server’s words for each key that it refused, and writes the others', async () => {
    const [a, b] = [from(), to()]
    await a.mset('x', '1', 'y', '2', 'z', '3')
    const payloads = await readPayloads(source, 0, [key('x'), key('y'), key('z')])
    const broken = payloads.map((payload, i) => (i === 1 ? { ...payload, bytes: Buffer.from('no dump at all') } : payload))
    expect(await writePayloads(target, 0, broken)).toEqual([
      null,
      expect.stringMatching(/DUMP payload version or checksum/),
      null,
    ])
    expect((await b.keys('*')).sort()).toEqual(['x', 'z'])
  })

  it('passes over keys that could not be read', async () => {
    await from().set('x', '1')
    const [payload] = await readPayloads(source, 0, [key('x')])
    if (payload === undefined) throw new Error('nothing was read')
    expect(await writePayloads(target, 0, [{ ...payload, key: key('w'), error: 'ERR unreadable' }, payload])).toEqual([
      'ERR unreadable',
      null,
    ])
    expect(await writePayloads(target, 0, [{ ...payload, error: 'ERR unreadable' }])).toEqual(['ERR unreadable'])
    expect(await to().keys('*')).toEqual(['x'])
  })

  it('of no keys is nothing', async () => {
    expect(await readPayloads(source, 0, [])).toEqual([])
    expect(await writePayloads(target, 0, [])).toEqual([])
    expect(source.inFlight).toBe(0)
  }, 2_000)
})

describe('with a server that says it another way', () => {
  const fakes: FakeRedis[] = []
  afterAll(() => {
    for (const fake of fakes) fake.stop()
  })

  async function fakeLane(answer: (command: string) => string | undefined): Promise<{ lane: Lane; fake: FakeRedis }> {
    const fake = await startFakeRedis(answer)
    fakes.push(fake)
    return { lane: await laneUp(fake.port), fake }
  }

  it('a key that expires between DUMP and its expiry is gone: without an expiry it would live for ever', async () => {
    const { lane } = await fakeLane((command) =>
      command.startsWith('DUMP') ? bulk('payload') : command.startsWith('PEXPIRETIME') ? ':-2\r\n' : undefined,
    )
    expect(await readPayloads(lane, 0, [key('a')])).toMatchObject([{ bytes: null, error: null }])
  })

  it('before Redis 7 the expiry is counted from the server’s clock', async () => {
    const ttls: Record<string, string> = { a: ':60000\r\n', b: ':-1\r\n' }
    const { lane, fake } = await fakeLane((command) => {
      if (command.startsWith('DUMP')) return bulk('payload')
      if (command.startsWith('PTTL')) return ttls[command.slice(5)]
      return command.startsWith('PEXPIRETIME') ? "-ERR unknown command 'PEXPIRETIME', with args beginning with: \r\n" : undefined
    })
    lane.clockOffsetMs = 3_600_000
    const startedMs = Date.now()
    const [a, b] = await readPayloads(lane, 0, [key('a'), key('b')])
    expect(a?.expiresAtMs).toBeGreaterThanOrEqual(startedMs + 3_660_000)
    expect(a?.expiresAtMs).toBeLessThan(startedMs + 3_670_000)
    expect([a?.error, b?.error, b?.expiresAtMs]).toEqual([null, null, 0])
    await readPayloads(lane, 0, [key('a')])
    expect(fake.connections[0]?.commands.filter((command) => command.startsWith('PEXPIRETIME'))).toHaveLength(2)
  })

  it('and a key in its very last millisecond does not live for ever, either', async () => {
    const { lane } = await fakeLane((command) => {
      if (command.startsWith('DUMP')) return bulk('payload')
      if (command.startsWith('PTTL')) return ':0\r\n'
      return command.startsWith('PEXPIRETIME') ? "-ERR unknown command 'PEXPIRETIME'\r\n" : undefined
    })
    const [payload] = await readPayloads(lane, 0, [key('a')])
    expect(payload?.bytes === null || (payload?.expiresAtMs ?? 0) > 0).toBe(true)
  })

  it('errors belong to their own key', async () => {
    const { lane } = await fakeLane((command) => {
      if (command === 'DUMP b') return '-NOPERM this user has no permissions to access one of the keys\r\n'
      if (command === 'PEXPIRETIME b') return '-NOPERM this user has no permissions to access one of the keys\r\n'
      return command.startsWith('DUMP') ? bulk(`payload of ${command.slice(5)}`) : ':-1\r\n'
    })
    const payloads = await readPayloads(lane, 0, [key('a'), key('b'), key('c')])
    expect(payloads.map(({ error }) => error?.slice(0, 6) ?? null)).toEqual([null, 'NOPERM', null])
    expect(payloads.map(({ bytes }) => bytes?.toString() ?? null)).toEqual(['payload of a', null, 'payload of c'])
  })

  it('a connection that goes is told from a refusal', async () => {
    const { lane, fake } = await fakeLane(() => undefined)
    const reading = readPayloads(lane, 0, [key('a')])
    await fake.connections[0]?.received(2)
    fake.connections[0]?.cut()
    await expect(reading).rejects.toThrow(TransferLost)
    await expect(exchange(lane, 2, 1, () => undefined)).rejects.toThrow(/not reachable/)
  })
})
