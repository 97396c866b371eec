/**
 * Users with limits of their own. The servers decide, each by its own rules: what the authority refuses changes neither side, and what
 * only one side refuses is told or healed, never lost.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

const users = [
  ['anna', 'on', '>a', '~anna:*', '&news', '+@all', '-@dangerous', '-incr', '+flushdb'],
  ['reader', 'on', '>r', '%R~*', '+@read', '+@connection', '+@transaction', '+ping'],
  ['admin', 'on', '>x', '~*', '&*', '+@all'],
  ['offline', 'off', '>o', '~*', '+@all'],
].flatMap((words) => ['--user', ...words])
const args = ['--requirepass', 'geheim', '--save', '', ...users]
const ok = '+OK\r\n'
let servers: [source: RedisServer, target: RedisServer, plain: RedisServer]
let ferry: Ferry
const open: WireClient[] = []

beforeAll(async () => {
  servers = await Promise.all([startRedis({ args }), startRedis({ args }), startRedis({ args })])
  // The target's own credentials are Ferry's only: clients have theirs there, too.
  ferry = await Ferry.start({
    source: { url: servers[0].url, password: 'geheim' },
    target: { url: servers[1].url, password: 'geheim' },
  })
  await ferry.backfill()
})

afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all((servers ?? []).map((server) => server.stop()))
})

async function connect(...lines: string[]): Promise<WireClient> {
  const client = await WireClient.open(ferry.port)
  open.push(client)
  if (lines.length > 0) expect((await client.pipeline(lines)).filter((reply) => reply.startsWith('-'))).toEqual([])
  return client
}

const admin = (server: RedisServer) => server.client({ username: 'admin', password: 'x' })
const valuesOf = (key: string) => Promise.all(servers.slice(0, 2).map((server) => admin(server).get(key)))

async function alike(): Promise<void> {
  await ferry.untilSettled()
  const [one, other] = await Promise.all(
    servers.slice(0, 2).map(async (server) => {
      const client = admin(server)
      const keys = (await client.keys('*')).sort()
      return Promise.all(keys.map(async (key) => [key, await client.type(key), await client.dump(key)]))
    }),
  )
  expect(one).toEqual(other)
}

/** What each user may and may not do, told by Ferry as by a server with the same users. */
const scenes: Readonly<Record<string, readonly string[]>> = {
  'keys of others, read and write': [
    'AUTH anna a',
    'SET anna:1 v',
    'GET anna:1',
    'SET other 1',
    'GET other',
    'MGET anna:1 other',
    'DEL anna:1 other',
    'RENAME anna:1 other',
    'COPY anna:1 other',
    'EXISTS anna:1 other',
    'SORT anna:1 BY x',
  ],
  'commands that are not theirs': [
    'AUTH anna a',
    'INCR anna:n',
    'CONFIG GET maxmemory',
    'KEYS *',
    'FLUSHALL',
    'ACL WHOAMI',
    'ACL LIST',
  ],
  'a reader': ['AUTH reader r', 'GET k', 'SET k 1', 'LPOP k', 'XREADGROUP GROUP g c STREAMS s >', 'GETDEL k', 'PFCOUNT k'],
  'scripts, whose keys are theirs or not': [
    'AUTH anna a',
    'EVAL return_redis.call("set",KEYS[1],"1") 1 anna:s',
    'EVAL return_redis.call("set",KEYS[1],"1") 1 other',
    'EVAL return_redis.call("get","other") 0',
  ],
  'channels of others': ['AUTH anna a', 'PUBLISH news x', 'PUBLISH other x', 'SUBSCRIBE other'],
  'CLIENT LIST and the like': [
    'AUTH anna a',
    'CLIENT LIST',
    'CLIENT KILL ID 999999',
    'CLIENT PAUSE 1',
    'CLIENT UNPAUSE',
    'CLIENT NO-EVICT on',
    'CLIENT GETNAME',
  ],
  'a user that is off': ['AUTH offline o', 'PING', 'HELLO 3 AUTH offline o', 'AUTH anna a', 'AUTH offline o', 'GET anna:1'],
  HELLO: [
    'HELLO 3 AUTH anna wrong',
    'PING',
    'HELLO 3 AUTH anna a SETNAME ada',
    'CLIENT GETNAME',
    'GET other',
    'HELLO 2',
    'GET nothing',
  ],
  'RESET gives the user up': ['AUTH anna a', 'RESET', 'GET anna:1'],
  'blocking on keys of others': [
    'AUTH anna a',
    'BLPOP other 1',
    'BLMOVE anna:l other LEFT LEFT 1',
    'XREAD BLOCK 10 STREAMS other 0',
  ],
  'WATCH of keys of others': ['AUTH anna a', 'WATCH other', 'WATCH anna:w', 'MULTI', 'SET anna:w 1', 'EXEC'],
}

describe('a user is told what a server would say', () => {
  it.each(Object.keys(scenes))('%s', async (name) => {
    const lines = (scenes[name] as string[]).map((line) => line.split(' ').map((word) => word.replaceAll('_', ' ')))
    const said: string[][] = []
    for (const port of [ferry.port, servers[2].port]) {
      const client = await WireClient.open(port)
      open.push(client)
      client.write(lines.map((argv) => multibulk(...argv)).join(''))
      said.push(
        (await client.take(lines.length)).map((reply) => reply.replace(/(\$2\r\nid\r\n:)\d+/, '$1').replace(/addr=\S+/g, '')),
      )
    }
    expect(said[0]).toEqual(said[1])
    await alike()
  })
})

describe('a transaction', () => {
  it.each([
    ['SET anna:m 1', 'SET other 2'],
    ['SET anna:m 1', 'INCR anna:m'],
    ['SET anna:m 1', 'GET other'],
    ['SET anna:m 1', 'PUBLISH other x'],
  ])('of %s and %s, the second not allowed, runs nothing, as on a server', async (allowed, refused) => {
    const lines = ['AUTH anna a', 'MULTI', allowed, refused, 'EXEC', 'EXISTS anna:m', 'MULTI', allowed, 'EXEC', 'DEL anna:m']
    const said: string[][] = []
    for (const port of [ferry.port, servers[2].port]) {
      const client = await WireClient.open(port)
      open.push(client)
      said.push(await client.pipeline(lines))
    }
    // Ferry keeps it until EXEC; only then it is known what the server says.
    expect([said[0]?.[3], said[1]?.[3]]).toEqual(['+QUEUED\r\n', expect.stringMatching(/^-NOPERM /)])
    for (const replies of said) replies.splice(3, 1)
    expect(said[0]).toEqual(said[1])
    await alike()
  })
})

describe('users that change while they are connected', () => {
  it('lose and get rights at once, on both sides alike', async () => {
    for (const server of servers.slice(0, 2)) await admin(server).acl('SETUSER', 'carl', 'on', '>c', '~*', '+@all')
    const client = await connect('AUTH carl c', 'SET c:1 before')
    for (const server of servers.slice(0, 2)) await admin(server).acl('SETUSER', 'carl', '-set')
    expect(await client.ask('SET c:1 after')).toMatch(/^-NOPERM /)
    expect(await client.ask('GET c:1')).toBe(bulk('before'))
    for (const server of servers.slice(0, 2)) await admin(server).acl('SETUSER', 'carl', '+set')
    expect(await client.pipeline(['SET c:1 again', 'GET c:1'])).toEqual([ok, bulk('again')])
    await alike()
  })

  it('are cut off or refused once they are removed, and nothing of theirs is half done', async () => {
    for (const server of servers.slice(0, 2)) await admin(server).acl('SETUSER', 'dora', 'on', '>d', '~*', '+@all')
    const client = await connect('AUTH dora d', 'SET d:1 before')
    for (const server of servers.slice(0, 2)) await admin(server).acl('DELUSER', 'dora')
    await expect
      .poll(() => client.ask('SET d:1 after').catch(() => 'closed'), { timeout: 10_000 })
      .toMatch(/^(-WRONGPASS|-NOAUTH|closed)/)
    const again = await connect()
    expect(await again.ask('AUTH dora d')).toMatch(/^-WRONGPASS/)
    await alike()
    const values = await valuesOf('d:1')
    expect(values[0]).toBe(values[1])
  })

  it('keep their connection over a change of password, and need the new one for the next', async () => {
    for (const server of servers.slice(0, 2)) await admin(server).acl('SETUSER', 'emil', 'on', '>old', '~*', '+@all')
    const client = await connect('AUTH emil old', 'SET e:1 1')
    for (const server of servers.slice(0, 2)) await admin(server).acl('SETUSER', 'emil', 'resetpass', '>new')
    expect(await client.ask('INCR e:1')).toBe(':2\r\n')
    const other = await connect('AUTH emil new')
    expect(await other.ask('INCR e:1')).toBe(':3\r\n')
    await alike()
  })
})

describe('sides that do not have the same users', () => {
  let ends: [RedisServer, RedisServer]
  let between: Ferry
  beforeAll(async () => {
    ends = await Promise.all([startRedis({ args }), startRedis({ args: ['--save', ''] })])
    // No credentials of its own: the target is given the clients' own.
    between = await Ferry.start({ source: { url: ends[0].url, password: 'geheim' }, target: ends[1].url })
    await between.backfill()
  })
  afterAll(async () => {
    await between?.dispose()
    await Promise.all((ends ?? []).map((server) => server.stop()))
  })

  it('a user whom only the source knows works, and what it writes gets to the target all the same', async () => {
    const client = await WireClient.open(between.port)
    open.push(client)
    expect(await client.pipeline(['AUTH anna a', 'SET anna:1 v', 'APPEND anna:1 w', 'GET anna:1'])).toEqual([
      ok,
      ok,
      ':2\r\n',
      bulk('vw'),
    ])
    await between.untilSettled()
    expect(await ends[1].client().get('anna:1')).toBe('vw')
    expect(await client.ask('SET other 1')).toMatch(/^-NOPERM /)
    await between.untilSettled()
    expect(await ends[1].client().exists('other')).toBe(0)
  })

  it('a user whom only the target knows is not let in', async () => {
    await ends[1].client().acl('SETUSER', 'fred', 'on', '>f', '~*', '+@all')
    const client = await WireClient.open(between.port)
    open.push(client)
    expect(await client.pipeline(['AUTH fred f', 'SET f:1 1'])).toEqual([
      '-WRONGPASS invalid username-password pair or user is disabled.\r\n',
      '-NOAUTH Authentication required.\r\n',
    ])
    expect(await ends[1].client().exists('f:1')).toBe(0)
  })

  it('a user who may not write on the target loses nothing: Ferry heals it with its own rights', async () => {
    await admin(ends[0]).acl('SETUSER', 'gina', 'on', '>g', '~*', '+@all')
    await ends[1].client().acl('SETUSER', 'gina', 'on', '>g', '~*', '+@read')
    const client = await WireClient.open(between.port)
    open.push(client)
    expect(await client.pipeline(['AUTH gina g', 'SET g:1 v', 'INCR g:n', 'MULTI', 'SET g:2 w', 'EXEC'])).toEqual([
      ok,
      ok,
      ':1\r\n',
      ok,
      '+QUEUED\r\n',
      `*1\r\n${ok}`,
    ])
    await between.untilSettled()
    expect(await ends[1].client().mget('g:1', 'g:n', 'g:2')).toEqual(['v', '1', 'w'])
  })
})
