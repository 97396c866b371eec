/**
 * Users who may send one command and hardly another. Ferry gives the servers many commands in another form than their client wrote; a user
 * without the right to that form is served as by a plain server all the same, and both sides are equal afterwards.
 */
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readBlocking } from '../../../src/commands/blocking.ts'
import { otherFormOf, spoiltPop, waitingFor } from '../../../src/commands/other-forms.ts'
import type { CommandSpec } from '../../../src/commands/spec.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

interface Scene {
  /** By a user who may do everything. */
  readonly before?: readonly string[]
  /** What the user of the scene may send; without it, the first word of its name. */
  readonly rights?: string
  /** $1 and $2 are keys of the scene. `_` stands for a space within an argument. */
  readonly lines: readonly string[]
}

const stream = ['XADD $1 1-1 f v', 'XADD $1 2-1 f v', 'XGROUP CREATE $1 g 0', 'XREADGROUP GROUP g old COUNT 1 STREAMS $1 >']
const list = ['RPUSH $1 a b c', 'RPUSH $2 z']
const zset = ['ZADD $1 1 a 2 b 3 c', 'ZADD $2 5 z']
const places = ['GEOADD $1 13 38 x 15 37 y']

/** Everything in rewrite.ts that Redis 7.0 knows, the blocking commands, and what reaches the follower as an effect. */
const scenes: Readonly<Record<string, Scene>> = {
  expire: { before: ['SET $1 v'], lines: ['EXPIRE $1 100', 'EXPIRE $1 50 GT', 'EXPIRE $1 -1', 'EXPIRE $1 10', 'EXPIRE $1 x'] },
  pexpire: { before: ['SET $1 v'], lines: ['PEXPIRE $1 100000', 'PEXPIRE $2 100', 'PEXPIRE $1'] },
  expireat: { before: ['SET $1 v'], lines: ['EXPIREAT $1 4000000000'] },
  setex: { lines: ['SETEX $1 100 v', 'SETEX $1 0 v', 'SETEX $1 x v', 'SETEX $1 200 w'] },
  psetex: { lines: ['PSETEX $1 100000 v', 'PSETEX $1 -1 v'] },
  'set with EX': { rights: '+set', lines: ['SET $1 v EX 100', 'SET $2 v PX 100000 NX GET', 'SET $1 w KEEPTTL'] },
  getex: { before: ['SET $1 v'], lines: ['GETEX $1 EX 100', 'GETEX $1', 'GETEX $1 PERSIST'] },
  restore: { lines: ['RESTORE $1 1000 junk'] },
  xadd: { lines: ['XADD $1 * f v', 'XADD $1 NOMKSTREAM MAXLEN ~ 10 * f v', 'XADD $2 9-9 f v'] },
  xtrim: { before: stream, lines: ['XTRIM $1 MAXLEN ~ 1', 'XTRIM $1 MAXLEN 1'] },
  'xgroup CREATE': { before: stream, rights: '+xgroup', lines: ['XGROUP CREATE $1 h $', 'XGROUP SETID $1 g 0'] },
  xreadgroup: { before: stream, lines: ['XREADGROUP GROUP g me STREAMS $1 >', 'XREADGROUP GROUP g me BLOCK 10 STREAMS $1 >'] },
  xclaim: { before: stream, lines: ['XCLAIM $1 g me 0 1-1', 'XCLAIM $1 g other 0 1-1 JUSTID'] },
  xautoclaim: { before: stream, lines: ['XAUTOCLAIM $1 g me 0 0', 'XAUTOCLAIM $1 g other 0 0 JUSTID'] },
  xread: { before: stream, lines: ['XREAD BLOCK 10 STREAMS $1 0', 'XREAD BLOCK 10 STREAMS $1 $'] },
  sort: { before: ['RPUSH $1 3 1 2'], lines: ['SORT $1', 'SORT $1 STORE $2', 'SORT $1 BY nosort'] },
  georadius: { before: places, lines: ['GEORADIUS $1 15 37 200 km STORE $2'] },
  georadiusbymember: { before: places, lines: ['GEORADIUSBYMEMBER $1 x 900 km STORE $2'] },
  bitfield: { lines: ['BITFIELD $1 SET u8 0 7 GET u8 0', 'BITFIELD $1 INCRBY u8 0 1'] },
  copy: { before: ['SET $1 v'], lines: ['COPY $1 $2'] },
  move: { before: ['SET $1 v'], lines: ['MOVE $1 1'] },
  pfcount: { before: ['PFADD $1 a b'], lines: ['PFCOUNT $1'] },
  zunionstore: { before: zset, lines: ['ZUNIONSTORE $2 2 $1 $2'] },
  zinterstore: { before: zset, lines: ['ZINTERSTORE $2 1 $1 WEIGHTS 0.1'] },
  zincrby: { before: zset, lines: ['ZINCRBY $1 0.1 a'] },
  zpopmin: { before: zset, lines: ['ZPOPMIN $1', 'ZPOPMIN $1 5'] },
  spop: { before: ['SADD $1 a', 'SADD $2 7'], lines: ['SPOP $1', 'SPOP $2 5', 'SPOP $1'] },
  incrbyfloat: { lines: ['INCRBYFLOAT $1 0.1', 'INCRBYFLOAT $1 0.2'] },
  hincrbyfloat: { lines: ['HINCRBYFLOAT $1 f 0.1', 'HINCRBYFLOAT $1 f 0.2'] },
  blpop: { before: list, lines: ['BLPOP $1 1', 'BLPOP none $2 $1 1', 'BLPOP none 0.01', 'BLPOP $1 -1', 'BLPOP $1 $2 1'] },
  brpop: { before: list, lines: ['BRPOP $2 $1 1', 'BRPOP $2 $1 1', 'BRPOP none 0.01'] },
  blmove: { before: list, lines: ['BLMOVE $1 $2 LEFT RIGHT 1', 'BLMOVE none $2 LEFT LEFT 0.01', 'BLMOVE $1 $2 UP LEFT 1'] },
  brpoplpush: { before: list, lines: ['BRPOPLPUSH $1 $2 1', 'BRPOPLPUSH none $2 0.01'] },
  blmpop: { before: list, lines: ['BLMPOP 1 2 none $1 LEFT COUNT 2', 'BLMPOP 0.01 1 none RIGHT', 'BLMPOP 1 0 $1 LEFT'] },
  bzpopmin: { before: zset, lines: ['BZPOPMIN $1 1', 'BZPOPMIN none 0.01', 'BZPOPMIN none $2 1'] },
  bzpopmax: { before: zset, lines: ['BZPOPMAX $1 1', 'BZPOPMAX none 0.01'] },
  bzmpop: { before: zset, lines: ['BZMPOP 1 1 $1 MAX COUNT 2', 'BZMPOP 0.01 1 none MIN'] },
  'blpop of a key of another type': {
    before: ['SET $1 v', ...list.slice(1)],
    lines: ['BLPOP $1 1', 'BLPOP none $1 1', 'BLPOP $2 1'],
  },
  eval: {
    rights: '+eval +set',
    lines: ['EVAL return_redis.call("set",KEYS[1],"1") 1 $1', 'EVAL return_redis.call("del",KEYS[1]) 1 $1'],
  },
  'the form alone': {
    before: ['SET $1 v', ...list.slice(1)],
    rights: '+pexpireat +set +lpop +lmpop +lmove',
    lines: [
      'EXPIRE $1 9',
      'PEXPIRE $1 9',
      'SETEX $1 9 v',
      'PSETEX $1 9 v',
      'BLPOP $2 1',
      'BLPOP none $2 0.01',
      'BLMOVE $2 $1 LEFT LEFT 1',
    ],
  },
  'neither form': {
    before: ['SET $1 v'],
    rights: '+get',
    lines: ['EXPIRE $1 9', 'SETEX $1 9 v', 'BLPOP $1 1', 'BZMPOP 1 1 $1 MIN', 'GET $1'],
  },
  'keys of others': {
    rights: '+expire +setex +blpop resetkeys ~mine',
    lines: ['EXPIRE $1 9', 'SETEX $1 9 v', 'SETEX mine 9 v', 'BLPOP $1 1'],
  },
  'both forms, keys of others': {
    rights: '+expire +pexpireat +setex +set +blpop +lpop +lmpop +@list resetkeys ~ours',
    lines: ['EXPIRE $1 9', 'SETEX $1 9 v', 'SETEX ours 9 v', 'EXPIRE $1 9', 'EXPIRE ours 90', 'BLPOP $1 1', 'BLPOP ours 1'],
  },
  'a transaction of expiries': {
    before: ['SET $1 v'],
    rights: '+multi +exec +expire +setex +pexpire',
    lines: ['MULTI', 'EXPIRE $1 100', 'SETEX $2 100 v', 'PEXPIRE $2 90000', 'EXEC'],
  },
  'a transaction with effects': {
    before: ['SADD $1 a', ...stream.map((line) => line.replace('$1', '$2'))],
    rights: '+multi +exec +spop +xreadgroup +xclaim +xautoclaim',
    lines: ['MULTI', 'SPOP $1', 'XREADGROUP GROUP g me STREAMS $2 >', 'XCLAIM $2 g me 0 1-1', 'XAUTOCLAIM $2 g me 0 0', 'EXEC'],
  },
  'a transaction with pops': {
    before: list,
    rights: '+multi +exec +blpop +blmove',
    lines: ['MULTI', 'BLPOP $1 0', 'BLMOVE $1 $2 LEFT LEFT 0', 'BLPOP none 0', 'EXEC'],
  },
  'a watched transaction': {
    before: ['SET $1 v'],
    rights: '+multi +exec +watch +expire',
    lines: ['WATCH $1', 'MULTI', 'EXPIRE $1 100', 'EXEC'],
  },
  'commands behind one another': {
    before: ['SET $1 v'],
    rights: '+expire +append +getdel +exists',
    lines: ['APPEND $1 w', 'EXPIRE $1 100', 'APPEND $1 x', 'EXPIRE $1 200', 'GETDEL $1', 'EXPIRE $1 9', 'EXISTS $1'],
  },
}

/** The fields of hashes that expire. */
const newerScenes: Readonly<Record<string, Scene>> = {
  hexpire: {
    before: ['HSET $1 f v g w'],
    lines: ['HEXPIRE $1 100 FIELDS 1 f', 'HEXPIRE $1 100 NX FIELDS 2 f g', 'HEXPIRE $1 x FIELDS 1 f'],
  },
  hpexpire: { before: ['HSET $1 f v g w'], lines: ['HPEXPIRE $1 100000 FIELDS 1 f', 'HPEXPIRE $2 100000 FIELDS 1 f'] },
  hsetex: { lines: ['HSETEX $1 EX 100 FIELDS 1 f v', 'HSETEX $1 FNX FIELDS 1 f v'] },
  hgetex: { before: ['HSET $1 f v'], lines: ['HGETEX $1 EX 100 FIELDS 1 f', 'HGETEX $1 PERSIST FIELDS 1 f'] },
  hgetdel: { before: ['HSET $1 f v g w'], lines: ['HGETDEL $1 FIELDS 1 f'] },
  'a transaction of field expiries': {
    before: ['HSET $1 f v'],
    rights: '+multi +exec +hexpire',
    lines: ['MULTI', 'HEXPIRE $1 100 FIELDS 1 f', 'EXEC'],
  },
}

/** `before` is what wakes them. */
const waiting: Readonly<Record<string, Scene>> = {
  blpop: { before: ['RPUSH $2 a b'], lines: ['BLPOP $1 $2 5'] },
  blmove: { before: ['RPUSH $1 a b'], lines: ['BLMOVE $1 $2 LEFT RIGHT 0'] },
  bzpopmax: { before: ['SET $1 v', 'DEL $1', 'ZADD $1 1 a'], lines: ['BZPOPMAX $1 5'] },
  'blmpop of what is a list at last': { before: ['SET $1 v', 'DEL $1', 'RPUSH $1 a b c'], lines: ['BLMPOP 5 1 $1 LEFT COUNT 2'] },
  'brpoplpush to what is no list': {
    before: ['SET $2 v', 'RPUSH $1 a'],
    rights: '+brpoplpush +ping',
    lines: ['BRPOPLPUSH $1 $2 5', 'PING'],
  },
}

/** Theirs are changed while they are connected, or are others for each key. */
const changing: Readonly<Record<string, Scene>> = {
  changing: { rights: '+@all', lines: [] },
  picky: { rights: '+@read resetkeys ~a:* (+expire +pexpireat ~a:*) (+expire ~b:*)', lines: [] },
}

const userOf = (name: string): string => name.replaceAll(/[ ,]+/g, '-')
const rightsOf = (name: string, { rights }: Scene): string => rights ?? `+${name.split(' ')[0]}`

function linesOf(name: string, lines: readonly string[]): string {
  const commands = lines.map((line) =>
    line.split(' ').map((word) => word.replace(/^\$([12])$/, `${userOf(name)}:$1`).replaceAll('_', ' ')),
  )
  return commands.map((argv) => multibulk(...argv)).join('')
}

const open: WireClient[] = []
afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

async function connect(port: number, user: string | null = null): Promise<WireClient> {
  const client = await WireClient.open(port)
  open.push(client)
  if (user !== null) expect(await client.ask(`AUTH ${user} p`)).toBe('+OK\r\n')
  return client
}

/** Ids that a server makes up. */
const told = (replies: readonly string[]): string[] => replies.map((reply) => reply.replaceAll(/\d{13}-\d+/g, 'id'))

async function perform(port: number, name: string, { before = [], lines }: Scene): Promise<string[]> {
  if (before.length > 0) {
    const all = await connect(port, 'all')
    all.write(linesOf(name, before))
    expect((await all.take(before.length)).filter((reply) => reply.startsWith('-'))).toEqual([])
  }
  const client = await connect(port, userOf(name))
  client.write(linesOf(name, lines))
  return told(await client.take(lines.length))
}

/** Every key with what it holds, when it expires, and what DUMP does not tell: a stream's groups are in it, their consumers' times are not compared. */
async function held(client: Redis): Promise<unknown> {
  const kept: unknown[] = []
  for (const db of [0, 1]) {
    await client.select(db)
    for (const key of (await client.keys('*')).sort()) {
      const type = await client.type(key)
      const value = type === 'stream' ? await streamOf(client, key) : (await client.dumpBuffer(key)).toString('latin1')
      kept.push([db, key, type, value, await client.call('PEXPIRETIME', key)])
    }
  }
  return kept
}

async function streamOf(client: Redis, key: string): Promise<unknown> {
  const groups = (await client.xinfo('GROUPS', key)) as string[][]
  const pending = await Promise.all(groups.map((group) => client.xpending(key, group[1] as string)))
  const consumers = (await Promise.all(groups.map((group) => client.xinfo('CONSUMERS', key, group[1] as string)))) as string[][][]
  return [await client.xrange(key, '-', '+'), groups, pending, consumers.map((all) => all.map((words) => words.slice(0, 4)))]
}

interface Fixture {
  readonly servers: readonly [source: RedisServer, target: RedisServer, plain: RedisServer]
  readonly ferry: Ferry
}

/** `mapped`: the target is given credentials of Ferry's own; else those of the clients, who have the same rights there. */
async function start(all: Readonly<Record<string, Scene>>, mapped: boolean, engine?: string): Promise<Fixture> {
  const users = Object.entries(all).flatMap(([name, scene]) => [
    '--user',
    userOf(name),
    ...`on >p ~* &* ${rightsOf(name, scene)}`.split(' '),
  ])
  const args = ['--save', '', '--user', 'all', 'on', '>p', '~*', '&*', '+@all', ...users]
  const begin = () => startRedis(engine === undefined ? { args } : { args, engine })
  const servers = await Promise.all([begin(), begin(), begin()])
  const target = mapped ? { url: servers[1].url, username: 'all', password: 'p' } : servers[1].url
  const ferry = await Ferry.start({ source: servers[0].url, target })
  await ferry.backfill()
  return { servers, ferry }
}

async function end({ servers, ferry }: Fixture): Promise<void> {
  await ferry.dispose()
  await Promise.all(servers.map((server) => server.stop()))
}

async function alike({ servers, ferry }: Fixture): Promise<void> {
  await ferry.untilSettled()
  const [source, target] = await Promise.all(servers.slice(0, 2).map((server) => held(server.client())))
  expect(target).toEqual(source)
}

describe.each(['redis-7.0', 'redis-8.0', 'valkey-8.1', 'valkey-9.1'])('what Ferry asks about rights, at %s', (engine) => {
  it.skipIf(engineMissing(engine))('is run by no server', async () => {
    const server = await startRedis({ engine })
    try {
      const client = await connect(server.port)
      await client.pipeline(['SET s v', 'HSET h f v', 'RPUSH l a b', 'RPUSH m c', 'ZADD z 1 a 2 b', 'ZADD y 1 c'])
      const before = await held(server.client())
      const keyOf = (name: string): string => (name.startsWith('h') ? 'h' : 's')
      const asked = ['expire', 'pexpire', 'setex', 'psetex', 'hexpire', 'hpexpire'].flatMap(
        (name) => otherFormOf(name)?.probes(Buffer.from(keyOf(name))) ?? [],
      )
      const pops = ['BLPOP l 0', 'BLPOP l m 0', 'BRPOP l 0', 'BRPOPLPUSH l m 0', 'BLMOVE l m LEFT LEFT 0', 'BLMPOP 0 2 l m LEFT']
      const zpops = ['BZPOPMIN z 0', 'BZPOPMIN z y 0', 'BZPOPMAX z 0', 'BZMPOP 0 2 z y MIN COUNT 2']
      for (const line of [...pops, ...zpops]) {
        const argv = line.split(' ').map((word) => Buffer.from(word))
        const name = String(argv[0]).toLowerCase()
        const read = readBlocking({ name } as CommandSpec, argv, true)
        const plain = read.how === 'wait' ? read.plan.attempts.map((attempt) => spoiltPop(attempt.argv)) : []
        for (const words of [waitingFor(name, argv), ...plain]) if (words !== null) asked.push(encodeCommand(words))
      }
      client.write(Buffer.concat(asked))
      const replies = await client.take(asked.length)
      expect(asked).toHaveLength(12 + 2 * (pops.length + zpops.length) - 1)
      expect(replies.filter((reply) => !reply.startsWith('-'))).toEqual([])
      expect(await held(server.client())).toEqual(before)
    } finally {
      await server.stop()
    }
  })
})

describe.each([
  { mapped: false, what: 'with the same rights on both sides', all: scenes, engine: undefined },
  { mapped: true, what: 'with rights of Ferry on the target', all: scenes, engine: undefined },
  { mapped: false, what: 'whose commands are newer', all: newerScenes, engine: 'redis-8.0' },
])('a user who may send little else, $what', ({ mapped, all, engine }) => {
  const missing = engine !== undefined && engineMissing(engine)
  it.skipIf(missing)(
    'is answered as by a plain server, and both sides are equal',
    async () => {
      const fixture = await start(all, mapped, engine)
      try {
        const names = Object.keys(all)
        const replies = (port: number) => Promise.all(names.map((name) => perform(port, name, all[name] as Scene)))
        const [byFerry, byServer] = await Promise.all([replies(fixture.ferry.port), replies(fixture.servers[2].port)])
        const named = (said: readonly string[][]) => Object.fromEntries(names.map((name, i) => [name, said[i]]))
        expect(named(byFerry)).toEqual(named(byServer))
        await alike(fixture)
      } finally {
        await end(fixture)
      }
    },
    30_000,
  )
})

describe('on one Ferry', () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await start({ ...waiting, ...changing }, false)
  })
  afterAll(() => end(fixture))

  describe('a user who may not pop', () => {
    it.each(Object.keys(waiting))('waits, and is served: %s', async (name) => {
      const { before = [], lines } = waiting[name] as Scene
      const said: string[][] = []
      for (const port of [fixture.ferry.port, fixture.servers[2].port]) {
        const all = await connect(port, 'all')
        const client = await connect(port, userOf(name))
        client.write(linesOf(name, lines))
        await until(async () => (await all.ask('CLIENT LIST')).includes(' flags=b '), { what: 'it to block' })
        all.write(linesOf(name, before))
        expect((await all.take(before.length)).filter((reply) => reply.startsWith('-'))).toEqual([])
        said.push(await client.take(lines.length))
      }
      expect(said[0]).toEqual(said[1])
      await alike(fixture)
    })
  })

  describe('rights that are not the same all the time, or for all keys', () => {
    async function setRights(...rights: string[]): Promise<void> {
      for (const server of fixture.servers) await server.client().acl('SETUSER', 'changing', ...rights)
    }

    it('are found out about when the servers refuse what they let through before', async () => {
      const client = await connect(fixture.ferry.port, 'changing')
      expect(await client.pipeline(['SET c:1 v', 'EXPIRE c:1 100', 'SETEX c:2 100 v', 'BLPOP c:3 0.01'])).toHaveLength(4)
      await setRights('-pexpireat', '-set', '-lpop')
      expect(await client.ask('EXPIRE c:1 200')).toBe(':1\r\n')
      expect(await client.ask('SETEX c:2 200 w')).toBe('+OK\r\n')
      expect(await client.pipeline(['RPUSH c:3 x', 'BLPOP c:3 0.01'])).toEqual([':1\r\n', `*2\r\n${bulk('c:3')}${bulk('x')}`])
      await alike(fixture)
      await setRights('-expire', '-setex', '-blpop')
      for (const line of ['EXPIRE c:1 1', 'SETEX c:2 1 w', 'BLPOP c:3 1']) {
        const plain = await connect(fixture.servers[2].port, 'changing')
        expect(await client.ask(line)).toBe(await plain.ask(line))
      }
      await setRights('+@all')
    })

    it('name the command that the client wrote, where something of it has run behind the one that was refused', async () => {
      const client = await connect(fixture.ferry.port, 'changing')
      expect(await client.pipeline(['SET n:1 v', 'PEXPIRE n:1 100000'])).toEqual(['+OK\r\n', ':1\r\n'])
      await setRights('-pexpireat')
      const [refused, appended] = await client.pipeline(['PEXPIRE n:1 200000', 'APPEND n:1 w'])
      expect([refused, appended]).toEqual([expect.stringMatching(/^-NOPERM .*'pexpire' command/), ':2\r\n'])
      // Never again.
      expect(await client.pipeline(['PEXPIRE n:1 300000', 'GETDEL n:1'])).toEqual([':1\r\n', bulk('vw')])
      await alike(fixture)
      await setRights('+@all')
    })

    it('do not make a transaction fail twice', async () => {
      const client = await connect(fixture.ferry.port, 'changing')
      const block = ['MULTI', 'PSETEX m:1 100000 v', 'EXEC']
      expect((await client.pipeline(block)).at(-1)).toBe('*1\r\n+OK\r\n')
      await setRights('-set')
      expect((await client.pipeline(block)).at(-1)).toMatch(/^-EXECABORT /)
      expect((await client.pipeline(block)).at(-1)).toBe('*1\r\n+OK\r\n')
      await alike(fixture)
      await setRights('+@all')
    })

    it('of keys with other rights than the first are found out one by one', async () => {
      const all = await connect(fixture.ferry.port, 'all')
      await all.pipeline(['MSET a:1 v b:1 v b:2 v c:1 v'])
      const lines = ['EXPIRE a:1 100', 'EXPIRE b:1 100', 'EXPIRE c:1 100', 'EXPIRE b:2 100', 'EXPIRE a:1 200']
      const ask = async (port: number): Promise<string[]> => {
        const client = await connect(port, 'picky')
        const said: string[] = []
        for (const line of lines) said.push(await client.ask(line))
        return said
      }
      await (await connect(fixture.servers[2].port, 'all')).pipeline(['MSET a:1 v b:1 v b:2 v c:1 v'])
      expect(await ask(fixture.ferry.port)).toEqual(await ask(fixture.servers[2].port))
      await alike(fixture)
    })

    it.each(['best-effort', 'both-required', 'last-write-wins', 'two-phase-commit'] as const)('under %s', async (writePolicy) => {
      await fixture.ferry.traffic({ writePolicy })
      await setRights('+@all', '-pexpireat', '-set')
      const lines = ['APPEND p:1 v', 'EXPIRE p:1 100', 'SETEX p:2 100 v', 'GETDEL p:2', 'DEL p:1']
      const client = await connect(fixture.ferry.port, 'changing')
      expect(await client.pipeline(lines)).toEqual([':1\r\n', ':1\r\n', '+OK\r\n', bulk('v'), ':1\r\n'])
      await alike(fixture)
      await setRights('+@all')
    })
  })
})
