/** Commands that could harm a server or the migration: refused with a reason, and carried where the configuration names them. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allowableNames } from '../../../src/commands/allowances.ts'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bulk, WireClient } from '../../support/wire-client.ts'

const args = ['--enable-debug-command', 'yes', '--requirepass', 'geheim', '--save', '']
const ok = '+OK\r\n'
let source: RedisServer
let target: RedisServer
let ferry: Ferry
const open: WireClient[] = []

async function start(allowCommands: string[]): Promise<void> {
  ;[source, target] = await Promise.all([startRedis({ args }), startRedis({ args })])
  const sides = { source: { url: source.url, password: 'geheim' }, target: { url: target.url, password: 'geheim' } }
  ferry = await Ferry.start({ ...sides, allowCommands })
  await ferry.backfill()
}

async function stop(): Promise<void> {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
}

async function connect(): Promise<WireClient> {
  const client = await WireClient.open(ferry.port)
  open.push(client)
  expect(await client.ask('AUTH geheim')).toBe(ok)
  return client
}

const at = (server: RedisServer) => server.client({ password: 'geheim' })
const maxmemory = async (server: RedisServer): Promise<string> =>
  String((await at(server).config('GET', 'maxmemory')) as string[])

afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

/** Each of them whole, so that nothing but the policy can be what stops it. */
const dangerous = [
  'ACL DELUSER nobody',
  'ACL LOAD',
  'ACL SAVE',
  'ACL SETUSER eve on nopass +@all ~*',
  'BGREWRITEAOF',
  'BGSAVE',
  'CONFIG RESETSTAT',
  'CONFIG REWRITE',
  'CONFIG SET maxmemory 1',
  'DEBUG SEGFAULT',
  'FAILOVER',
  'LATENCY RESET',
  'MEMORY PURGE',
  'MIGRATE 127.0.0.1 1 k 0 1',
  'MODULE LOAD /nothing',
  'MODULE LOADEX /nothing',
  'MODULE UNLOAD nothing',
  'PFDEBUG ENCODING k',
  'PFSELFTEST',
  'REPLICAOF 127.0.0.1 1',
  'SAVE',
  'SHUTDOWN NOSAVE',
  'SLAVEOF 127.0.0.1 1',
  'SLOWLOG RESET',
]
const never = ['PSYNC ? -1', 'SYNC', 'REPLCONF ack 0', 'SCRIPT DEBUG YES']

describe('without an allowance', () => {
  beforeAll(() => start([]))
  afterAll(stop)

  it.each(dangerous)('%s is refused, with the setting that lets it through, and changes nothing', async (line) => {
    const client = await connect()
    const before = await maxmemory(source)
    const [refusal, next] = await client.pipeline([line, 'PING'])
    expect(refusal).toMatch(/^-ERR FERRY unsupported: '[a-z ]+': .{10,}, or allow it \(allowCommands: \['[a-z|]+'\]\)\r\n$/)
    expect(next).toBe('+PONG\r\n')
    const name = /\['(.+)'\]/.exec(refusal as string)?.[1]
    expect(allowableNames).toContain(name)
    expect(await Promise.all([source, target].map((server) => at(server).role()))).toEqual(
      Array(2).fill(['master', expect.any(Number), []]),
    )
    expect(await maxmemory(source)).toBe(before)
  })

  it('names every command that can be allowed here, but for those of newer servers', () => {
    const tried = dangerous.map((line) => line.toLowerCase().split(' '))
    const names = new Set(tried.flatMap(([name = '', sub = '']) => [name, `${name}|${sub}`]))
    expect(allowableNames.filter((name) => !names.has(name))).toEqual(['commandlog|reset'])
  })

  it.each(never)('%s is refused whatever the configuration says', async (line) => {
    const [refusal, next] = await (await connect()).pipeline([line, 'PING'])
    expect(refusal).toMatch(/^-ERR FERRY unsupported: /)
    expect(refusal).not.toContain('allowCommands')
    expect(next).toBe('+PONG\r\n')
  })

  it('a dangerous command spoils a transaction', async () => {
    const replies = await (await connect()).pipeline(['MULTI', 'SET k 1', 'CONFIG SET maxmemory 1', 'EXEC', 'EXISTS k'])
    expect(replies[2]).toMatch(/^-ERR FERRY unsupported: /)
    expect(replies.slice(3)).toEqual(['-EXECABORT Transaction discarded because of previous errors.\r\n', ':0\r\n'])
  })

  it('SWAPDB is carried to both sides, and nobody sees half of it', async () => {
    const client = await connect()
    const lines = [
      'SET in zero',
      'SELECT 1',
      'SET in one',
      'SWAPDB 0 1',
      'GET in',
      'SELECT 0',
      'GET in',
      'SWAPDB 0 99',
      'SWAPDB x 0',
    ]
    const replies = await client.pipeline(lines)
    expect(replies.slice(3, 7)).toEqual([ok, bulk('zero'), ok, bulk('one')])
    expect(replies.slice(7)).toEqual(['-ERR DB index is out of range\r\n', '-ERR invalid first DB index\r\n'])
    await ferry.untilSettled()
    expect(await at(target).get('in')).toBe('one')
    expect((await ferry.status()).divergencesTotal).toBe(0)
  })
})

describe('a name that cannot be allowed', () => {
  it('keeps Ferry from starting, and is told with the names that can', async () => {
    const [source, target] = ['redis://127.0.0.1:1', 'redis://127.0.0.1:2']
    await expect(Ferry.start({ source, target, allowCommands: ['CONFIG SET', 'CLUSTER RESET'] })).rejects.toThrow(
      /allowCommands: '[a-z| ]+' is not one of acl\|deluser/,
    )
  })
})

describe('with an allowance', () => {
  beforeAll(() =>
    start(['config set', 'DEBUG', 'CONFIG|RESETSTAT', 'acl setuser', 'acl deluser', 'replicaof', 'migrate', 'shutdown']),
  )
  afterAll(stop)

  it('CONFIG SET takes effect on both sides, and its errors are those of a server', async () => {
    const client = await connect()
    expect(await client.ask('CONFIG SET maxmemory 123456789')).toBe(ok)
    expect(await client.ask('CONFIG SET maxmemory')).toBe("-ERR wrong number of arguments for 'config|set' command\r\n")
    expect(await client.ask('CONFIG SET nonsense 1')).toMatch(/^-ERR Unknown option/)
    await ferry.untilSettled()
    expect(await Promise.all([source, target].map(maxmemory))).toEqual(Array(2).fill('maxmemory,123456789'))
    expect((await ferry.status()).clientErrorsTotal).toBe(0)
    const events = await fetch(`${ferry.controlUrl}/v1/events?after=0&follow=false`)
    expect(await events.text()).toContain('config|set was sent, as the configuration allows')
  })

  it('others stay refused', async () => {
    expect(await (await connect()).ask('CONFIG REWRITE')).toMatch(/^-ERR FERRY unsupported: /)
  })

  it('a new user is there on both sides, works through Ferry, and is gone from both', async () => {
    const client = await connect()
    expect(await client.ask('ACL SETUSER eve on >e +@all ~eve:*')).toBe(ok)
    const eve = await WireClient.open(ferry.port)
    expect(await eve.pipeline(['AUTH eve e', 'SET eve:1 yes'])).toEqual([ok, ok])
    await ferry.untilSettled()
    expect(await at(target).get('eve:1')).toBe('yes')
    expect(await client.ask('ACL DELUSER eve')).toBe(':1\r\n')
    await ferry.untilSettled()
    expect(await at(target).acl('USERS')).toEqual(['default'])
    eve.close()
  })

  it('DEBUG that changes nothing goes to the authority alone, in both protocols', async () => {
    const client = await connect()
    await client.ask('HELLO 3')
    expect(await client.ask('DEBUG PROTOCOL attrib')).toMatch(/^\|1\r\n/)
    expect(await client.pipeline(['DEBUG PROTOCOL map', 'DEBUG SLEEP 0'])).toEqual([
      '%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n',
      ok,
    ])
    expect((await ferry.status()).journal.resyncNeeded).toBeNull()
  })

  it('MIGRATE: the key is gone from both sides and on the third server', async () => {
    const client = await connect()
    const third = await startRedis()
    try {
      expect(await client.pipeline(['SET goes 1', `MIGRATE 127.0.0.1 ${third.port} goes 0 1000`, 'EXISTS goes'])).toEqual([
        ok,
        ok,
        ':0\r\n',
      ])
      await ferry.untilSettled()
      expect([await at(source).exists('goes'), await at(target).exists('goes'), await third.client().exists('goes')]).toEqual([
        0, 0, 1,
      ])
    } finally {
      await third.stop()
    }
  })

  it('DEBUG and REPLICAOF, after which anything may stand there, make Ferry doubt all of it', async () => {
    const client = await connect()
    expect(await client.ask('REPLICAOF NO ONE')).toMatch(/^\+OK/)
    await ferry.untilStatus('a copy of everything to be due', ({ journal }) => journal.resyncNeeded !== null)
    await ferry.backfill()
    await ferry.untilSettled()
    await client.ask('DEBUG SET-ACTIVE-EXPIRE 1')
    await ferry.untilStatus('a copy of everything to be due', ({ journal }) => journal.resyncNeeded !== null)
    await ferry.backfill()
    await ferry.untilSettled()
  })

  it('SHUTDOWN stops the authority; the client is cut off as by a server, and the follower is untouched', async () => {
    const client = await connect()
    client.write('SHUTDOWN NOSAVE\r\n')
    await client.untilClosed()
    expect(client.received).toBe('')
    await ferry.untilStatus('the source to be down', (status) => status.source.state !== 'up')
    expect(await at(target).ping()).toBe('PONG')
  })
})
