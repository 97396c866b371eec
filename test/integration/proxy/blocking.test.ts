/**
 * Blocking commands through Ferry, which waits itself. Replies are held against a plain server's own, byte for byte; wake-ups are caused
 * in every way in which a key may come to hold something, past Ferry too; whoever goes away while blocked has popped nothing.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

const open: WireClient[] = []

async function connect(port: number): Promise<WireClient> {
  const client = await WireClient.open(port)
  open.push(client)
  return client
}

afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

const send = (client: WireClient, ...lines: string[]): void =>
  client.write(lines.map((line) => multibulk(...line.split(' '))).join(''))

const one = async (client: WireClient): Promise<string> => (await client.take(1))[0] as string

const popped = (key: string, value: string): string => `*2\r\n${bulk(key)}${bulk(value)}`

/** So many clients are blocked, by CLIENT LIST's own word. */
async function untilBlocked(port: number, count: number): Promise<void> {
  const client = await connect(port)
  await until(async () => ((await client.ask('CLIENT LIST')).match(/ flags=b /g)?.length ?? 0) === count, {
    what: `${count} to block`,
  })
  client.close()
}

const atOnce = [
  'SET str x',
  'BLPOP none abc',
  'BLPOP none -1',
  'BLPOP none nan',
  'BLPOP none 0.01f',
  'BLPOP none 0.0.1',
  'BLPOP str abc',
  'BLPOP str 1',
  'BLPOP none str l 1',
  'BLPOP',
  'BLPOP l',
  'BLPOP none .01',
  'BLPOP none 1e-2',
  'BLPOP none +0.01',
  'BRPOP none other 0.01',
  'RPUSH l a b c d e f g h',
  'BLPOP l str 0',
  'BRPOP none l 0',
  'BLPOP l 0',
  'BLMOVE none d UP DOWN x',
  'BLMOVE none d LEFT UP 1',
  'BLMOVE none d LEFT RIGHT x',
  'BLMOVE none d LEFT RIGHT 0.01',
  'BLMOVE none str LEFT RIGHT 0.01',
  'BLMOVE str d LEFT RIGHT 1',
  'BLMOVE l str LEFT RIGHT 1',
  'BLMOVE l d LEFT RIGHT 1',
  'BRPOPLPUSH none d x',
  'BRPOPLPUSH none d -1',
  'BRPOPLPUSH none d 0.01',
  'BRPOPLPUSH l d 0',
  'BLMPOP x 1 none LEFT',
  'BLMPOP x 0 none LEFT',
  'BLMPOP x 1 none UP',
  'BLMPOP 1 3 none LEFT',
  'BLMPOP 1 1 none LEFT COUNT 0',
  'BLMPOP x 1 none LEFT COUNT x',
  'BLMPOP 1 1 none LEFT COUNT 1 1',
  'BLMPOP -1 1 none LEFT',
  'BLMPOP 0.01 1 none LEFT',
  'BLMPOP 0 2 none l RIGHT COUNT 2',
  'BLMPOP 0 1 str LEFT',
  'ZADD z 1 a 1.5 b 2 c 1e20 d -inf e',
  'BZPOPMIN z 0',
  'BZPOPMAX none z 0',
  'BZPOPMIN none x',
  'BZPOPMIN none 0.01',
  'BZPOPMIN none other 0.01',
  'BZPOPMIN str 1',
  'BZMPOP x 1 none MIN',
  'BZMPOP x 0 none MIN',
  'BZMPOP x 1 none UP',
  'BZMPOP 0.01 1 none MIN',
  'BZMPOP 0 2 none z MAX COUNT 2',
  'XADD s 1-1 a 1',
  'XGROUP CREATE s g 0',
  'XREAD BLOCK x STREAMS s 0',
  'XREAD COUNT x BLOCK y STREAMS s 0',
  'XREAD BLOCK y COUNT x STREAMS s 0',
  'XREAD BLOCK -1 STREAMS s 0',
  'XREAD BLOCK 0.5 STREAMS s 0',
  'XREAD BLOCK 99999999999999999999 STREAMS s 0',
  'XREAD BLOCK STREAMS s 0',
  'XREAD BLOCK 10 STREAMS s 1-1',
  'XREAD BLOCK 10 STREAMS s $',
  'XREAD BLOCK 10 STREAMS s +',
  'XREAD BLOCK 10 STREAMS none $',
  'XREAD BLOCK 10 STREAMS none +',
  'XREAD BLOCK 10 STREAMS str $',
  'XREAD BLOCK 10 STREAMS none str $ 0',
  'XREAD BLOCK 10 STREAMS s none $',
  'XREAD BLOCK 10 STREAMS s foo',
  'XREAD BLOCK 10 STREAMS s >',
  'XREAD BLOCK 10 STREAMS s none 0 $',
  'XREAD COUNT 1 BLOCK 0 STREAMS s 0',
  'XREADGROUP GROUP g c BLOCK 10 STREAMS s $',
  'XREADGROUP GROUP g c BLOCK 10 COUNT 1 STREAMS s >',
  'XREADGROUP GROUP g c BLOCK 10 STREAMS s >',
  'XREADGROUP GROUP g c BLOCK 0 STREAMS s 0',
  'XREADGROUP GROUP nog c BLOCK 10 STREAMS s >',
  'XREADGROUP GROUP g c BLOCK x STREAMS s >',
  'XREADGROUP GROUP g c BLOCK 10 STREAMS none >',
  'CLIENT UNBLOCK x',
  'CLIENT UNBLOCK 99999',
  'CLIENT UNBLOCK 99999 FOO',
  'CLIENT UNBLOCK x FOO',
  'CLIENT UNBLOCK 99999 TIMEOUT',
  'CLIENT UNBLOCK 99999 ERROR',
]
/** Redis 7.0 words these differently. */
const sinceRedis7_2 = ['BLPOP none inf', 'BLPOP none 1e30', 'BLPOP none 9223372036854775', 'BZPOPMIN none -inf', 'BLPOP none 0x']

describe.each(['7.0', 'redis-8.0', 'valkey-9.1'])('on %s', (name) => {
  const engine = name === '7.0' ? {} : { engine: name }
  const missing = name !== '7.0' && engineMissing(name)

  it.skipIf(missing)('answers what needs no waiting, or not for long, as a server, in both protocols', async () => {
    const servers = await Promise.all([startRedis(engine), startRedis(engine), startRedis(engine)])
    const [source, target, plain] = servers as [RedisServer, RedisServer, RedisServer]
    const ferry = await Ferry.start({ source: source.url, target: target.url })
    const compare = async (protocol: number): Promise<void> => {
      const [through, direct] = [await connect(ferry.port), await connect(plain.port)]
      // A database of its own for each protocol.
      for (const client of [through, direct]) await client.pipeline([`HELLO ${protocol}`, `SELECT ${protocol}`])
      for (const line of name === '7.0' ? atOnce : [...atOnce, ...sinceRedis7_2]) {
        const [got, expected] = await Promise.all([through.ask(line), direct.ask(line)])
        expect(`${protocol} ${line}: ${got}`).toBe(`${protocol} ${line}: ${expected}`)
      }
    }
    try {
      await Promise.all([2, 3].map(compare))
      await ferry.untilSettled()
      expect(await differencesOf(source, target)).toEqual([])
      expect(await differencesOf(source, plain)).toEqual([])
    } finally {
      await ferry.dispose()
      await Promise.all(servers.map((server) => server.stop()))
    }
  })
})

describe('a client that waits', () => {
  let source: RedisServer
  let target: RedisServer
  let ferry: Ferry

  beforeAll(async () => {
    ;[source, target] = await Promise.all([startRedis(), startRedis()])
    ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
  })

  afterEach(async () => {
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
    await (await connect(ferry.port)).ask('FLUSHALL')
  })

  afterAll(async () => {
    await ferry?.dispose()
    await Promise.all([source?.stop(), target?.stop()])
  })

  it('what it sends behind a long reply is looked at', async () => {
    const client = await connect(ferry.port)
    const value = 'v'.repeat(2 << 20)
    await client.call('RPUSH', 'long', value)
    expect((await client.ask('BLPOP long 0')).length).toBe(popped('long', value).length)
    expect(await client.ask('PING')).toBe('+PONG\r\n')
  })

  it.each([
    ['a push', ['RPUSH q v']],
    ['a transaction', ['MULTI', 'RPUSH q v', 'EXEC']],
    ['a script with its key declared', ["EVAL return(redis.call('RPUSH',KEYS[1],'v')) 1 q"]],
    ['a script without', ["EVAL return(redis.call('RPUSH','q','v')) 0"]],
    ['a move from another list', ['RPUSH other v', 'LMOVE other q LEFT RIGHT']],
    ['a rename', ['RPUSH other v', 'RENAME other q']],
    ['a copy', ['RPUSH other v', 'COPY other q']],
    ['a sort', ['RPUSH other v', 'SORT other ALPHA STORE q']],
    ['a move from another database', ['SELECT 1', 'RPUSH q v', 'MOVE q 0']],
    ['a swap of databases', ['SELECT 1', 'RPUSH q v', 'SWAPDB 0 1']],
  ])('is woken by %s', async (_by, lines) => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    send(waiting, 'BLPOP none q 0')
    await untilBlocked(ferry.port, 1)
    await writing.pipeline(lines)
    expect(await one(waiting)).toBe(popped('q', 'v'))
  })

  it('is woken by what is restored', async () => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    await writing.ask('RPUSH other v')
    const payload = (await source.client().dumpBuffer('other')) as Buffer
    send(waiting, 'BLPOP q 0')
    await untilBlocked(ferry.port, 1)
    expect(await writing.call('RESTORE', 'q', '0', payload)).toBe('+OK\r\n')
    expect(await one(waiting)).toBe(popped('q', 'v'))
  })

  it('is not made to wait by a script or a transaction', async () => {
    const client = await connect(ferry.port)
    expect(await client.pipeline(['MULTI', 'BLPOP q 0', 'RPUSH q v', 'BLMOVE q r LEFT LEFT 0', 'EXEC'])).toEqual([
      '+OK\r\n',
      ...Array(3).fill('+QUEUED\r\n'),
      `*3\r\n*-1\r\n:1\r\n${bulk('v')}`,
    ])
    expect(await client.call('EVAL', "return redis.call('BLPOP',KEYS[1],0)", '1', 'q')).toMatch(/^-.*not allowed from script/)
    expect(await client.ask('LRANGE r 0 -1')).toBe(`*1\r\n${bulk('v')}`)
  })

  it('is served while the follower stands still', async () => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    target.freeze()
    try {
      send(waiting, 'BLMOVE q done LEFT RIGHT 0', 'XREADGROUP GROUP g c BLOCK 0 STREAMS s >')
      await untilBlocked(ferry.port, 1)
      await writing.pipeline(['XGROUP CREATE s g $ MKSTREAM', 'RPUSH q v'])
      expect(await one(waiting)).toBe(bulk('v'))
      await untilBlocked(ferry.port, 1)
      await writing.ask('XADD s 5-5 a b')
      expect(await one(waiting)).toContain('5-5')
    } finally {
      target.thaw()
    }
  })

  it('is woken by whoever writes past Ferry, whichever database', async () => {
    const [zero, three, past] = [await connect(ferry.port), await connect(ferry.port), await connect(source.port)]
    await three.ask('SELECT 3')
    send(zero, 'BLPOP q 0')
    send(three, 'BZPOPMIN q 0')
    await untilBlocked(ferry.port, 2)
    await past.pipeline(['RPUSH q zero', 'SELECT 3', 'ZADD q 1 three'])
    expect(await one(zero)).toBe(popped('q', 'zero'))
    expect(await one(three)).toBe(`*3\r\n${bulk('q')}${bulk('three')}${bulk('1')}`)
    for (let i = 0; i < 3; i++) {
      send(zero, 'BLPOP q 0')
      await untilBlocked(ferry.port, 1)
      await past.pipeline(['SELECT 0', `RPUSH q ${i}`])
      expect(await one(zero)).toBe(popped('q', `${i}`))
    }
  })

  it('is served in the order of coming, one element each', async () => {
    const waiting = await Promise.all([1, 2, 3].map(() => connect(ferry.port)))
    for (const [i, client] of waiting.entries()) {
      send(client, i === 1 ? 'BLMOVE q moved LEFT RIGHT 0' : 'BLPOP q 0')
      await untilBlocked(ferry.port, i + 1)
    }
    const writing = await connect(ferry.port)
    await writing.ask('RPUSH q 1 2')
    expect(await Promise.all(waiting.slice(0, 2).map(one))).toEqual([popped('q', '1'), bulk('2')])
    await untilBlocked(ferry.port, 1)
    await writing.ask('RPUSH q 3')
    expect(await one(waiting[2] as WireClient)).toBe(popped('q', '3'))
    expect(await writing.ask('LRANGE moved 0 -1')).toBe(`*1\r\n${bulk('2')}`)
  })

  it('wakes who waits where it moves to', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => connect(ferry.port)))
    for (const [i, client] of clients.entries()) send(client, i < 2 ? `BRPOPLPUSH l${i} l${i + 1} 0` : 'BLPOP l2 0')
    await untilBlocked(ferry.port, 3)
    await (await connect(ferry.port)).ask('RPUSH l0 v')
    expect(await Promise.all(clients.map(one))).toEqual([bulk('v'), bulk('v'), popped('l2', 'v')])
  })

  it('gets the first of its keys that has something, also of what comes in one transaction', async () => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    send(waiting, 'BLPOP high low 0')
    await untilBlocked(ferry.port, 1)
    await writing.pipeline(['MULTI', 'RPUSH low l', 'RPUSH high h', 'EXEC'])
    expect(await one(waiting)).toBe(popped('high', 'h'))
  })

  it('does not mind a key of another type, and is told where it cannot put what it takes', async () => {
    const [pop, move, writing] = [await connect(ferry.port), await connect(ferry.port), await connect(ferry.port)]
    send(pop, 'BLPOP q 0')
    await untilBlocked(ferry.port, 1)
    send(move, 'BLMOVE m wrong LEFT LEFT 0')
    await untilBlocked(ferry.port, 2)
    await writing.pipeline(['SET q x', 'SET m x', 'SADD s a', 'RENAME s q'])
    await untilBlocked(ferry.port, 2)
    await writing.pipeline(['SET wrong x', 'DEL m', 'RPUSH m v'])
    expect(await one(move)).toMatch(/^-WRONGTYPE /)
    await writing.pipeline(['DEL q', 'RPUSH q v'])
    expect(await one(pop)).toBe(popped('q', 'v'))
    expect(await writing.ask('LRANGE m 0 -1')).toBe(`*1\r\n${bulk('v')}`)
  })

  it('reads a stream from its end, everybody the same; of a group each entry goes to one', async () => {
    const clients = await Promise.all([0, 1, 2, 3, 4].map(() => connect(ferry.port)))
    const [writing, ...waiting] = clients as [WireClient, ...WireClient[]]
    await writing.pipeline(['XADD s 1-1 a old', 'XGROUP CREATE s g $'])
    // One pipeline: what was last when it asked is its own entry.
    send(waiting[0] as WireClient, 'XADD s 1-2 a own', 'XREAD BLOCK 0 STREAMS none s $ $')
    send(waiting[1] as WireClient, 'XREAD BLOCK 0 COUNT 9 STREAMS s 5')
    await untilBlocked(ferry.port, 2)
    await writing.ask('XREADGROUP GROUP g first STREAMS s >')
    for (const i of [2, 3]) send(waiting[i] as WireClient, `XREADGROUP GROUP g c${i} BLOCK 0 STREAMS s >`)
    await untilBlocked(ferry.port, 4)
    await writing.ask('XADD s 6-0 a new')
    const entry = `*1\r\n*2\r\n${bulk('s')}*1\r\n*2\r\n${bulk('6-0')}*2\r\n${bulk('a')}${bulk('new')}`
    expect((await (waiting[0] as WireClient).take(2))[1]).toBe(entry)
    expect(await one(waiting[1] as WireClient)).toBe(entry)
    await until(() => [2, 3].some((i) => (waiting[i] as WireClient).received !== ''), { what: 'one of the group to be served' })
    await untilBlocked(ferry.port, 1)
    await writing.ask('XADD s 7-0 a new')
    const got = await Promise.all([2, 3].map((i) => one(waiting[i] as WireClient)))
    expect(got.map((reply) => /[67]-0/.exec(reply)?.[0]).sort()).toEqual(['6-0', '7-0'])
  })

  it('is told that the group it reads with is gone', async () => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    await writing.ask('XGROUP CREATE s g $ MKSTREAM')
    send(waiting, 'XREADGROUP GROUP g c BLOCK 0 STREAMS s >')
    await untilBlocked(ferry.port, 1)
    await writing.ask('XGROUP DESTROY s g')
    expect(await one(waiting)).toMatch(/^-NOGROUP /)
  })

  it.each(['expires', 'is removed past Ferry'])('is told so where the stream itself %s', async (how) => {
    const [waiting, writing, past] = [await connect(ferry.port), await connect(ferry.port), await connect(source.port)]
    await writing.ask('XGROUP CREATE s g $ MKSTREAM')
    send(waiting, 'XREADGROUP GROUP g c BLOCK 0 STREAMS s >')
    await untilBlocked(ferry.port, 1)
    if (how === 'expires') await writing.ask('PEXPIRE s 50')
    else await past.ask('DEL s')
    expect(await one(waiting)).toMatch(/^-NOGROUP /)
    await (await connect(target.port)).ask('DEL s')
  })

  it('reads on from the end where its user may not ask for that', async () => {
    for (const server of [source, target]) {
      await server.client().call('ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', '+xread', '+xadd', '+select', '+hello', '+auth')
    }
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    expect(await waiting.ask('AUTH reader pw')).toBe('+OK\r\n')
    send(waiting, 'XADD s 1-1 a old', 'XREAD BLOCK 0 STREAMS s $')
    await untilBlocked(ferry.port, 1)
    await writing.ask('XADD s 2-2 a new')
    const [, read] = await waiting.take(2)
    expect(read).toContain('2-2')
    expect(read).not.toContain('1-1')
  })

  it('gives up after its time, not before', async () => {
    const client = await connect(ferry.port)
    const startedMs = performance.now()
    expect(await client.ask('BLPOP q 0.15')).toBe('*-1\r\n')
    expect(performance.now() - startedMs).toBeGreaterThan(145)
    const againMs = performance.now()
    expect(await client.ask('XREAD BLOCK 120 STREAMS s $')).toBe('*-1\r\n')
    expect(performance.now() - againMs).toBeGreaterThan(115)
  })

  it.each(['closes', 'vanishes'] as const)('has popped nothing when it %s', async (how) => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    send(waiting, 'PING', 'BLPOP q 0', 'RPUSH never x')
    await untilBlocked(ferry.port, 1)
    if (how === 'closes') waiting.socket.end()
    else waiting.vanish()
    await untilBlocked(ferry.port, 0)
    expect(await writing.pipeline(['RPUSH q v', 'LRANGE q 0 -1', 'EXISTS never'])).toEqual([
      ':1\r\n',
      `*1\r\n${bulk('v')}`,
      ':0\r\n',
    ])
  })

  it('is killed, or unblocked as by a time-out or with an error', async () => {
    const [waiting, other] = [await connect(ferry.port), await connect(ferry.port)]
    const id = (await waiting.ask('CLIENT ID')).slice(1, -2)
    expect(await other.ask(`CLIENT UNBLOCK ${id}`)).toBe(':0\r\n')
    for (const [reason, reply] of [
      ['', '*-1\r\n'],
      [' TIMEOUT', '*-1\r\n'],
      [' error', '-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n'],
    ]) {
      send(waiting, 'BZMPOP 0 2 z1 z2 MIN')
      await untilBlocked(ferry.port, 1)
      expect(await other.ask(`CLIENT UNBLOCK ${id}${reason}`)).toBe(':1\r\n')
      expect(await one(waiting)).toBe(reply)
    }
    for (const line of ['WAIT 5 0', 'WAITAOF 0 5 0']) {
      // Redis 7.0 does not know WAITAOF.
      if ((await waiting.ask(line.replace(/5/, '0'))).startsWith('-ERR unknown')) continue
      send(waiting, line)
      await untilBlocked(ferry.port, 1)
      expect(await other.ask(`CLIENT UNBLOCK ${id}`)).toBe(':1\r\n')
      expect(await one(waiting)).toBe(':0\r\n')
      send(waiting, line)
      await untilBlocked(ferry.port, 1)
      expect(await other.ask(`CLIENT UNBLOCK ${id} ERROR`)).toBe(':1\r\n')
      expect(await one(waiting)).toMatch(/^-UNBLOCKED /)
    }
    send(waiting, 'BLPOP q 0')
    await untilBlocked(ferry.port, 1)
    expect(await other.ask(`CLIENT KILL ID ${id}`)).toBe(':1\r\n')
    await waiting.untilClosed()
    expect(await other.pipeline(['RPUSH q v', 'LLEN q'])).toEqual([':1\r\n', ':1\r\n'])
  })

  it('has what it sent behind carried out in order, when its turn comes', async () => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    send(waiting, 'SET n 1', 'BLPOP q 0', 'INCR n')
    await untilBlocked(ferry.port, 1)
    send(waiting, 'INCR n', 'BLPOP q 0')
    const long = 'x'.repeat(300_000)
    waiting.write(multibulk('SET', 'long', long) + multibulk('STRLEN', 'long').slice(0, 20))
    expect(await writing.ask('GET n')).toBe(bulk('1'))
    await writing.ask('RPUSH q a')
    expect(await waiting.take(4)).toEqual(['+OK\r\n', popped('q', 'a'), ':2\r\n', ':3\r\n'])
    await untilBlocked(ferry.port, 1)
    waiting.write(multibulk('STRLEN', 'long').slice(20))
    await writing.ask('RPUSH q b')
    expect(await waiting.take(3)).toEqual([popped('q', 'b'), '+OK\r\n', ':300000\r\n'])
  })

  it('takes long keys, and is refused so many keys that nobody could watch them', async () => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    const long = 'k'.repeat(100_000)
    waiting.write(multibulk('BLPOP', long, '0'))
    await untilBlocked(ferry.port, 1)
    await writing.call('RPUSH', long, 'v')
    expect(await one(waiting)).toBe(popped(long, 'v'))
    // More than would fit the stack as arguments of a call, too.
    const many = Array.from({ length: 300_000 }, (_, i) => `k${i}`)
    for (const argv of [
      ['BLPOP', ...many, '0'],
      ['BZMPOP', '0', `${many.length}`, ...many, 'MIN'],
      ['XREAD', 'BLOCK', '0', 'STREAMS', ...many, ...many.map(() => '$')],
    ]) {
      waiting.write(encodeCommand(argv))
      expect(await one(waiting)).toMatch(/^-ERR FERRY limit: 100000 keys/)
    }
    expect(await waiting.ask('PING')).toBe('+PONG\r\n')
  })
})

describe('blocked clients', () => {
  let source: RedisServer
  let target: RedisServer
  let ferry: Ferry

  beforeAll(async () => {
    const users = ['--user', 'ann', 'on', '>a', '~*', '&*', '+@all', '--user', 'bob', 'on', '>b', '~*', '&*', '+@all']
    ;[source, target] = await Promise.all([startRedis({ args: users }), startRedis({ args: users })])
    ferry = await Ferry.start({ source: source.url, target: target.url, phase: 'observe' })
  })

  afterAll(async () => {
    await ferry?.dispose()
    await Promise.all([source?.stop(), target?.stop()])
  })

  /** By a client of Ferry, and by one of the source. */
  async function servedBothWays(users: readonly [string?, string?] = []): Promise<void> {
    const [waiting, writing, past] = [await connect(ferry.port), await connect(ferry.port), await connect(source.port)]
    for (const [i, user] of users.entries()) await (i === 0 ? waiting : writing).ask(`AUTH ${user}`)
    for (let i = 0; i < 3; i++) {
      send(waiting, 'BLPOP q other 0')
      await untilBlocked(ferry.port, 1)
      expect(await writing.ask(`RPUSH q ${i}`)).toBe(':1\r\n')
      expect(await one(waiting)).toBe(popped('q', `${i}`))
      send(waiting, 'BLMOVE q done LEFT RIGHT 0')
      await untilBlocked(ferry.port, 1)
      await past.ask(`RPUSH q past${i}`)
      expect(await one(waiting)).toBe(bulk(`past${i}`))
    }
  }

  /** The first of these finds Ferry in `observe`. */
  async function equal(): Promise<void> {
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
  }

  it('are served from both ways in observe', async () => {
    expect((await ferry.status()).phase).toBe('observe')
    await servedBothWays()
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
  })

  it.each(['two-phase-commit', 'best-effort'] as const)('are served from both ways under %s', async (writePolicy) => {
    await ferry.traffic({ writePolicy })
    await servedBothWays()
    await equal()
    await ferry.traffic({ writePolicy: 'old-authoritative' })
  })

  it('go on waiting while the authority is away, and across cut-over and rollback', async () => {
    const clients = await Promise.all([0, 1, 2, 3].map(() => connect(ferry.port)))
    for (const [i, client] of clients.entries()) send(client, i === 3 ? 'XREAD BLOCK 0 STREAMS s $' : `BLPOP q${i} 0`)
    await untilBlocked(ferry.port, 4)
    await source.client().call('CLIENT', 'KILL', 'TYPE', 'normal')
    const writing = await connect(ferry.port)
    await until(async () => (await writing.ask('RPUSH q0 v')) === ':1\r\n', { what: 'the source to be back' })
    expect(await one(clients[0] as WireClient)).toBe(popped('q0', 'v'))
    await ferry.untilSettled()
    await ferry.untilStatus('the source to be back', (status) => status.source.state === 'up')

    await ferry.step('cutover')
    await untilBlocked(ferry.port, 3)
    await (await connect(target.port)).ask('RPUSH q1 past')
    expect(await one(clients[1] as WireClient)).toBe(popped('q1', 'past'))
    await ferry.untilSettled()

    await ferry.step('rollback')
    await untilBlocked(ferry.port, 2)
    await writing.pipeline(['RPUSH q2 v', 'XADD s 5-5 a b'])
    expect(await one(clients[2] as WireClient)).toBe(popped('q2', 'v'))
    expect(await one(clients[3] as WireClient)).toContain('5-5')
    await equal()
  })

  it('are served from both ways where they are of several users', async () => {
    await servedBothWays(['ann a', 'bob b'])
    await equal()
  })

  it('do not keep Ferry from stopping, and lose nothing by it', async () => {
    const [waiting, past] = [await connect(ferry.port), await connect(source.port)]
    send(waiting, 'BLPOP q 0')
    await untilBlocked(ferry.port, 1)
    const startedMs = performance.now()
    await ferry.stop()
    expect(performance.now() - startedMs).toBeLessThan(5_000)
    await waiting.untilClosed()
    expect(waiting.received).toBe('')
    expect(await past.pipeline(['RPUSH q v', 'LLEN q'])).toEqual([':1\r\n', ':1\r\n'])
  })
})

describe('where the server does not tell of changes, and little may be sent ahead', () => {
  const queryBufferBytes = 1_048_576
  const args = '--user default on nopass ~* &* +@all -client|tracking'.split(' ')
  let servers: RedisServer[]
  let ferry: Ferry

  beforeAll(async () => {
    servers = await Promise.all([startRedis({ args }), startRedis({ args })])
    const [source, target] = servers as [RedisServer, RedisServer]
    ferry = await Ferry.start({ source: source.url, target: target.url, limits: { queryBufferBytes } })
  })

  afterAll(async () => {
    await ferry?.dispose()
    await Promise.all((servers ?? []).map((server) => server.stop()))
  })

  it('a blocked client is served all the same', async () => {
    const [source] = servers as [RedisServer, RedisServer]
    const [waiting, writing, past] = [await connect(ferry.port), await connect(ferry.port), await connect(source.port)]
    for (const [by, value] of [
      [writing, 'a'],
      [past, 'b'],
    ] as const) {
      send(waiting, 'BLPOP q other 0')
      await untilBlocked(ferry.port, 1)
      await by.ask(`RPUSH q ${value}`)
      expect(await one(waiting)).toBe(popped('q', value))
    }
  })

  it('one that sends more than may wait behind its command is cut off, as by a server', async () => {
    const [waiting, writing] = [await connect(ferry.port), await connect(ferry.port)]
    send(waiting, 'BLPOP q 0')
    await untilBlocked(ferry.port, 1)
    waiting.write(multibulk('PING').repeat(1 + queryBufferBytes / multibulk('PING').length))
    await waiting.untilClosed()
    expect(await writing.pipeline(['RPUSH q v', 'LLEN q'])).toEqual([':1\r\n', ':1\r\n'])
  })
})
