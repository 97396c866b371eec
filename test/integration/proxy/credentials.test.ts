/**
 * Who a client is. The servers decide: the same words are refused as by the source itself, and what a user may do on the source is what
 * the user may do through Ferry. Both sides here want passwords; the users are the same on both.
 */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bulk, WireClient } from '../../support/wire-client.ts'

const users = ['--user', 'reader', 'on', '>r', '~*', '+@read', '+@connection', '--user', 'writer', 'on', '>w', '~*', '+@all']
const args = ['--requirepass', 'geheim', ...users]
let source: RedisServer
let target: RedisServer
let ferry: Ferry
const open: WireClient[] = []

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis({ args }), startRedis({ args })])
  ferry = await Ferry.start({
    source: { url: source.url, password: 'geheim' },
    // Without credentials of its own the target is given the client's.
    target: { url: target.url, password: 'geheim' },
  })
})

afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

async function connect(port = ferry.port): Promise<WireClient> {
  const client = await WireClient.open(port)
  open.push(client)
  return client
}

const ok = '+OK\r\n'
const noAuth = '-NOAUTH Authentication required.\r\n'
const wrongPass = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'

describe('a client of a source that wants a password', () => {
  it.each([
    ['PING', 'GET a', 'SET a 1', 'CLIENT GETNAME', 'SELECT 1', 'INFO', 'MULTI', 'ECHO x'],
    ['AUTH wrong', 'AUTH default wrong', 'AUTH nobody geheim', 'PING'],
    ['HELLO 3 AUTH default wrong', 'GET a'],
    ['AUTH geheim', 'PING', 'SET a 1', 'GET a', 'AUTH wrong', 'GET a', 'AUTH default geheim', 'GET a'],
    ['AUTH reader r', 'GET a', 'SET a 2', 'DEL a', 'GET a', 'CONFIG GET maxmemory'],
    ['AUTH writer w', 'SET a 3', 'GET a', 'AUTH reader r', 'SET a 4', 'GET a'],
    ['AUTH geheim', 'RESET', 'GET a'],
  ])('is answered as by the source itself: %s …', async (...lines) => {
    const [through, direct] = [await connect(), await connect(source.port)]
    expect(await through.pipeline(lines)).toEqual(await direct.pipeline(lines))
  })

  it('gets nothing done before it has said who it is, on either side', async () => {
    const client = await connect()
    expect(await client.pipeline(['SET before 1', 'AUTH geheim', 'GET before'])).toEqual([noAuth, ok, '$-1\r\n'])
    expect(await target.client({ password: 'geheim' }).exists('before')).toBe(0)
  })

  it('may not change the protocol before it has said who it is', async () => {
    const [hello, get] = await (await connect()).pipeline(['HELLO 3', 'GET nothing'])
    expect(hello).toMatch(/^-NOAUTH HELLO must be called with the client already authenticated/)
    expect(get).toBe(noAuth)
  })

  it('may say everything in HELLO, and keeps what it had where that fails', async () => {
    const client = await connect()
    const [hello, get] = await client.pipeline(['HELLO 3 AUTH writer w SETNAME ada', 'GET nothing'])
    expect(hello).toMatch(/^%7\r\n/)
    expect(get).toBe('_\r\n')
    const lines = ['HELLO 2 AUTH writer wrong SETNAME eve', 'CLIENT GETNAME', 'GET nothing']
    expect(await client.pipeline(lines)).toEqual([wrongPass, bulk('ada'), '_\r\n'])
  })

  it('writes to both sides as the same user, however many users there are', async () => {
    const clients = await Promise.all(
      [0, 1, 2, 3].map(async (n) => {
        const client = await connect()
        await client.ask(n % 2 === 0 ? 'AUTH geheim' : 'AUTH writer w')
        return client
      }),
    )
    const lines = Array.from({ length: 200 }, (_, n) => (n % 3 === 0 ? `RPUSH shared:list ${n}` : `INCR shared:${n % 5}`))
    await Promise.all(clients.map((client) => client.pipeline(lines)))
    await ferry.untilSettled()
    const [list, other] = await Promise.all(
      [source, target].map((server) => server.client({ password: 'geheim' }).lrange('shared:list', 0, -1)),
    )
    expect(list).toHaveLength(268)
    expect(other).toEqual(list)
    expect((await ferry.status()).divergencesTotal).toBe(0)
  })

  it('cannot change the other side where the source refuses', async () => {
    const [reader, writer] = [await connect(), await connect()]
    await writer.pipeline(['AUTH writer w', 'SET kept 1', 'SELECT 5', 'SET kept 5'])
    await ferry.backfill()
    const lines = ['AUTH reader r', 'SET kept 2', 'DEL kept', 'FLUSHALL', 'SELECT 5', 'FLUSHDB']
    const replies = await reader.pipeline(lines)
    for (const at of [1, 2, 3, 5]) expect(replies[at]).toMatch(/^-NOPERM /)
    await ferry.untilSettled()
    const kept = [source, target].flatMap((server) => [0, 5].map((db) => server.client({ password: 'geheim', db }).get('kept')))
    expect(await Promise.all(kept)).toEqual(['1', '5', '1', '5'])
  })

  it('does not leave connections behind for wrong passwords', async () => {
    const client = await connect()
    const before = await ferry.status()
    for (let n = 0; n < 20; n++) expect(await client.ask(`AUTH wrong-${n}`)).toBe(wrongPass)
    const { source: after } = await ferry.untilStatus(
      'the tries to be forgotten',
      (now) => now.source.connections <= before.source.connections + 1,
    )
    expect(after.connections).toBeLessThanOrEqual(before.source.connections + 1)
  })

  it('works with ioredis', async () => {
    const redis = new Redis(ferry.port, '127.0.0.1', {
      username: 'writer',
      password: 'w',
      db: 2,
      protocol: 3,
      connectionName: 'lib',
    })
    try {
      expect(await redis.set('lib', 'yes')).toBe('OK')
      expect(await redis.client('GETNAME')).toBe('lib')
    } finally {
      redis.disconnect()
    }
    const wrong = new Redis(ferry.port, '127.0.0.1', { password: 'wrong', maxRetriesPerRequest: 0, retryStrategy: () => null })
    wrong.on('error', () => {})
    await expect(wrong.get('lib')).rejects.toThrow()
    wrong.disconnect()
    expect(await target.client({ password: 'geheim', db: 2 }).get('lib')).toBe('yes')
  })
})

describe('secrets', () => {
  it('are in no log, no status and no error', async () => {
    const status = JSON.stringify(await ferry.status())
    for (const secret of ['geheim', 'wrong-1']) {
      expect(status).not.toContain(secret)
      expect(ferry.log).not.toContain(secret)
    }
  })
})
