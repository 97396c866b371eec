/**
 * MULTI and WATCH through Ferry: answered as by a server, byte for byte, in both protocols; the follower gets what EXEC did, and nothing
 * where it did not run.
 */
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ChaosProxy } from '../../support/chaos-proxy.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import type { RedisServer } from '../../support/redis-server.ts'
import { SideBySide } from '../../support/side-by-side.ts'
import { until } from '../../support/wait.ts'
import { bulk, type WireClient } from '../../support/wire-client.ts'

let beside: SideBySide
let source: RedisServer
let target: RedisServer
/** Alone: what a server says by itself. */
let plain: RedisServer
let toSource: ChaosProxy
let ferry: Ferry
let atSource: Redis
let atTarget: Redis

beforeAll(async () => {
  beside = await SideBySide.open()
  ;({ source, target, plain, toSource, ferry } = beside)
  await ferry.backfill()
  ;[atSource, atTarget] = [source.client(), target.client()]
})

beforeEach(() => beside.flushAll())

afterEach(async () => {
  beside.closeClients()
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
})

afterAll(() => beside?.close())

const connect = (port?: number, ...lines: string[]): Promise<WireClient> => beside.connect(port, ...lines)

/** Ferry's replies to some lines, and a server's replies to the same. All in one write, and before that, in RESP2, line by line. */
async function compared(lines: readonly string[], hello: string): Promise<void> {
  if (hello === 'HELLO 2') {
    const [through, direct] = [await connect(ferry.port, hello), await connect(plain.port, hello)]
    for (const line of lines) expect([line, await through.ask(line)]).toEqual([line, await direct.ask(line)])
    await Promise.all([atSource.flushall(), atTarget.flushall(), plain.client().flushall()])
  }
  const [again, directAgain] = [await connect(ferry.port, hello), await connect(plain.port, hello)]
  expect(await again.pipeline(lines)).toEqual(await directAgain.pipeline(lines))
}

const ok = '+OK\r\n'
const queued = '+QUEUED\r\n'
const nil = '*-1\r\n'

/** How many effects or blocks put a key into the journal. */
const marks = async (): Promise<number> => {
  const text = await (await fetch(`${ferry.controlUrl}/metrics`)).text()
  return Number(/^ferry_journal_marks_total (\d+)/m.exec(text)?.[1])
}

describe.each(['HELLO 2', 'HELLO 3'])('a transaction after %s is answered as by a server', (hello) => {
  it.each([
    [['WATCH a', 'MULTI', 'SET a 1', 'INCR a', 'GET a', 'EXEC', 'GET a']],
    [['WATCH a b c', 'GET a', 'SET a 1', 'MULTI', 'SET a 2', 'EXEC', 'GET a']],
    [['SET a 1', 'WATCH a', 'MULTI', 'INCR a', 'EXEC', 'MULTI', 'INCR a', 'EXEC']],
    [['WATCH a', 'SET a 1', 'UNWATCH', 'MULTI', 'INCR a', 'EXEC']],
    [['WATCH a', 'SET a 1', 'MULTI', 'INCR a', 'DISCARD', 'MULTI', 'INCR a', 'EXEC', 'DISCARD']],
    [['WATCH a', 'SET a 1', 'MULTI', 'UNWATCH', 'INCR a', 'EXEC', 'MULTI', 'INCR a', 'UNWATCH', 'EXEC']],
    [['WATCH', 'WATCH a', 'WATCH', 'MULTI', 'WATCH', 'EXEC', 'WATCH a', 'MULTI', 'WATCH b', 'MULTI', 'EXEC']],
    [['WATCH a', 'EXEC', 'DISCARD', 'SET a 1', 'MULTI', 'GET a', 'EXEC', 'MULTI', 'GET a', 'EXEC']],
    [['WATCH a', 'SET a 1', 'MULTI', 'NOSUCH a b', 'EXEC', 'MULTI', 'EXEC', 'MULTI x', 'DISCARD x', 'UNWATCH x', 'EXEC x']],
    [['WATCH a', 'SET a 1', 'MULTI', 'EXEC x', 'EXEC', 'MULTI', 'GET a', 'EXEC']],
    [['WATCH a', 'SELECT 3', 'SET a 1', 'MULTI', 'SET a 3', 'EXEC', 'GET a', 'SELECT 0', 'GET a']],
    [['SELECT 3', 'WATCH a', 'SELECT 0', 'SET a 1', 'MULTI', 'SET a 2', 'EXEC', 'SELECT 3', 'GET a', 'DBSIZE']],
    [['WATCH a', 'RESET', 'SET a 1', 'MULTI', 'GET a', 'EXEC']],
    [['WATCH a', 'MULTI', 'EXEC', 'WATCH a', 'SET a 1', 'MULTI', 'EXEC']],
  ])('with WATCH: %j', (lines) => compared(lines, hello))

  it.each([
    [['MULTI', 'SELECT 2', 'SET a 2', 'SELECT 5', 'SET a 5', 'EXEC', 'GET a', 'SELECT 2', 'GET a', 'SELECT 0', 'GET a']],
    [['MULTI', 'SELECT 99', 'SELECT x', 'SELECT', 'EXEC', 'MULTI', 'SELECT 99', 'SELECT x', 'SET a 1', 'EXEC', 'GET a']],
    [['MULTI', 'SELECT 2', 'DISCARD', 'SET a 1', 'MULTI', 'SELECT 2', 'NOSUCH', 'EXEC', 'GET a']],
    [['WATCH a', 'SET a 1', 'MULTI', 'SELECT 2', 'EXEC', 'GET a', 'WATCH a', 'MULTI', 'SELECT 2', 'SPOP s', 'EXEC', 'GET a']],
    [['MULTI', 'CLIENT SETNAME ada', 'CLIENT GETNAME', 'PING', 'PING x', 'ECHO x', 'CLIENT GETREDIR', 'EXEC', 'CLIENT GETNAME']],
    [['MULTI', 'CLIENT SETNAME ada', 'DISCARD', 'CLIENT GETNAME', 'MULTI', 'CLIENT NOPE', 'CLIENT', 'EXEC']],
    [['SET a 1', 'MULTI', 'SET b 1', 'FLUSHALL', 'SET c 1', 'EXEC', 'DBSIZE', 'MULTI', 'FLUSHDB', 'DBSIZE', 'EXEC', 'DBSIZE']],
    [['SET a 1', 'MULTI', 'SWAPDB 0 1', 'GET a', 'SELECT 1', 'GET a', 'EXEC', 'GET a', 'WATCH a', 'MULTI', 'FLUSHALL', 'EXEC']],
    [['MULTI', 'BLPOP l 0', 'BRPOP l 0', 'BLMOVE l k LEFT RIGHT 0', 'BZPOPMIN z 0', 'RPUSH l a b', 'BLPOP l 0', 'EXEC']],
    [['XADD x 1-1 f v', 'XGROUP CREATE x g 0', 'MULTI', 'XREADGROUP GROUP g c BLOCK 0 STREAMS x >', 'WAIT 0 0', 'EXEC']],
    [['MULTI', 'EVAL return{KEYS[1],redis.call("incr",KEYS[1])} 1 n', 'PUBLISH ch m', 'EVAL return(1) 0', 'EXEC', 'GET n']],
    [['SET text abc', 'MULTI', 'SPOP s', 'INCRBYFLOAT text 1', 'INCRBYFLOAT f 1.5', 'LPUSH text a', 'EXEC', 'GET f']],
    [['MULTI', 'NOSUCH a b', 'GET', 'OBJECT NOPE', 'OBJECT', 'SET a 1', 'EXEC', 'GET a', 'MULTI', 'MULTI', 'SET a 2', 'EXEC']],
    [['MULTI', `EVALSHA ${'ab'.repeat(20)} 1 k`, 'EVALSHA nope 0', 'SET a 1', 'EXEC', 'GET a', `EVALSHA ${'ab'.repeat(20)} 1 k`]],
    [
      [
        'WATCH n',
        'GET n',
        'MULTI',
        'EVAL return(redis.call("incr",KEYS[1])) 1 n',
        'EVAL return(redis.error_reply("MINE")) 0',
        'EXEC',
      ],
    ],
    [
      [
        'MULTI',
        'SCRIPT LOAD return(7)',
        'SCRIPT EXISTS x',
        'EVALSHA 7d2d0f6c 0',
        'EVAL_RO return(1) 0',
        'EXEC',
        'EVAL return(7) 0',
      ],
    ],
    [['MULTI', 'HELLO 9', 'HELLO x', 'SET a 1', 'EXEC', 'GET a', 'MULTI', 'SET a', 'NOSUCH', 'SET a 2', 'EXEC', 'GET a']],
    [['MULTI', 'EXEC', 'EXEC', 'DISCARD', 'MULTI', 'DISCARD', 'MULTI', 'UNWATCH', 'UNWATCH', 'EXEC', 'UNWATCH']],
    [['WAIT 0 10', 'WAIT 1 1', 'WAIT', 'WAIT a b', 'WAIT 0 -1', 'WAITAOF 0 0 0', 'SET a 1', 'WAIT 0 10', 'GET a']],
  ])('without: %j', (lines) => compared(lines, hello))
})

describe('WATCH through Ferry', () => {
  it('sees what another client changes, and what is changed past Ferry, in its own database only', async () => {
    const [watcher, other] = [await connect(), await connect()]
    expect(await watcher.pipeline(['SELECT 2', 'WATCH a', 'GET a'])).toEqual([ok, ok, '$-1\r\n'])
    await other.pipeline(['SET a 1', 'SELECT 3', 'SET a 1'])
    expect(await watcher.pipeline(['MULTI', 'SET b 1', 'EXEC'])).toEqual([ok, queued, `*1\r\n${ok}`])
    await watcher.pipeline(['WATCH a', 'MULTI', 'SET c 1'])
    await other.pipeline(['SELECT 2', 'SET a 2'])
    expect(await watcher.ask('EXEC')).toBe(nil)
    await watcher.pipeline(['WATCH b', 'MULTI', 'SET c 1'])
    await Promise.all([atSource, atTarget].map((server) => server.select(2)))
    await atSource.set('b', 2)
    await atTarget.set('b', 2)
    expect(await watcher.ask('EXEC')).toBe(nil)
    expect(await watcher.ask('EXISTS c')).toBe(':0\r\n')
    await Promise.all([atSource, atTarget].map((server) => server.select(0)))
  })

  it('counts up without losing a step, with 6 clients on one key', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect()))
    let nils = 0
    const add = async (client: WireClient): Promise<void> => {
      for (let done = 0; done < 10; ) {
        const [, value] = await client.pipeline(['WATCH n', 'GET n'])
        const next = 1 + Number(/\r\n(\d+)/.exec(value as string)?.[1] ?? 0)
        const result = (await client.pipeline(['MULTI', `SET n ${next}`, 'EXEC']))[2]
        if (result === nil) nils++
        else done++
      }
    }
    await Promise.all(clients.map(add))
    expect([await atSource.get('n'), await atTarget.get('n')]).toEqual(['60', '60'])
    expect(nils).toBeGreaterThan(0)
  })

  it('opens no connection per transaction', async () => {
    const before = Number(/total_connections_received:(\d+)/.exec(await atSource.info('stats'))?.[1])
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect()))
    const rounds = async (client: WireClient, own: string): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        const answers = await client.pipeline([`WATCH ${own}`, `GET ${own}`, 'MULTI', `INCR ${own}`, 'EXEC'])
        expect(answers[4]).toBe(`*1\r\n:${i + 1}\r\n`)
      }
    }
    await Promise.all(clients.map((client, i) => rounds(client, `own:${i}`)))
    const after = Number(/total_connections_received:(\d+)/.exec(await atSource.info('stats'))?.[1])
    expect(after - before).toBeLessThanOrEqual(10)
    expect(await atTarget.mget('own:0', 'own:9')).toEqual(['20', '20'])
  })

  it('leaves nothing watched behind for the next client', async () => {
    const first = await connect()
    await first.pipeline(['WATCH a', 'MULTI', 'SET b 1'])
    const connections = (await ferry.status()).source.connections
    first.vanish()
    await ferry.untilStatus('the client to be gone', ({ clients }) => clients === 0)
    const second = await connect()
    await second.pipeline(['WATCH c', 'SET a 1', 'MULTI', 'SET c 1'])
    expect(await second.ask('EXEC')).toBe(`*1\r\n${ok}`)
    expect((await ferry.status()).source.connections).toBe(connections)
    expect(await atSource.exists('b')).toBe(0)
  })

  it('answers nil where the authority has changed meanwhile', async () => {
    const client = await connect()
    await client.pipeline(['WATCH a', 'GET a'])
    await ferry.traffic({ writePolicy: 'new-authoritative' })
    await ferry.untilStatus('the target to be the authority', ({ authority }) => authority === 'target')
    expect(await client.pipeline(['MULTI', 'SET a 1', 'EXEC'])).toEqual([ok, queued, nil])
    expect(await client.pipeline(['WATCH a', 'MULTI', 'SET a 1', 'SPOP s', 'EXEC'])).toEqual([
      ok,
      ok,
      queued,
      queued,
      `*2\r\n${ok}$-1\r\n`,
    ])
    await ferry.traffic({ writePolicy: 'old-authoritative' })
    await ferry.untilStatus('the source to be the authority', ({ authority }) => authority === 'source')
    expect(await atSource.get('a')).toBe('1')
  })
})

describe('what a transaction did', () => {
  it('reaches the follower as one block, told from the replies, with nothing left to be copied', async () => {
    await ferry.backfill()
    const client = await connect()
    await client.pipeline(['SADD s a b c d', 'SET text abc', 'SADD t a b c'])
    await ferry.untilSettled()
    const before = await marks()
    const lines = ['MULTI', 'SPOP s 2', 'INCRBYFLOAT f 1.5', 'INCR text', 'XADD x * f v', 'SELECT 4', 'INCR n', 'SPOP t', 'EXEC']
    expect((await client.pipeline(lines)).at(-1)).toMatch(/^\*7\r\n\*2\r\n/)
    const watched = ['SELECT 0', 'WATCH s t', 'SCARD s', 'MULTI', 'SPOP s', 'RENAME t u', 'SETEX e 100 v', 'EXEC']
    expect((await client.pipeline(watched)).at(-1)).toMatch(/^\*3\r\n\$1/)
    await ferry.untilSettled()
    expect(await marks()).toBe(before)
    expect(await atTarget.scard('s')).toBe(1)
    expect(await atTarget.info('commandstats')).toMatch(/cmdstat_multi/)
  })

  it('is nothing on the follower where EXEC did not run', async () => {
    const client = await connect()
    await client.pipeline(['SADD s a b c', 'SET a 1'])
    const commands = async (): Promise<string[]> =>
      (await atTarget.info('commandstats')).match(/cmdstat_(multi|exec|srem|setex|set):calls=\d+/g) ?? []
    const before = await commands()
    expect((await client.pipeline(['WATCH a', 'INCR a', 'MULTI', 'SPOP s', 'SETEX e 1 v', 'SET b 1', 'EXEC'])).at(-1)).toBe(nil)
    expect((await client.pipeline(['MULTI', 'SPOP s', 'NOSUCH', 'EXEC'])).at(-1)).toMatch(/^-EXECABORT/)
    expect((await client.pipeline(['WATCH a', 'MULTI', 'SPOP s', 'DISCARD'])).at(-1)).toBe(ok)
    expect(await commands()).toEqual(before)
  })

  it('has the lifetimes that EXEC gave, not those of when it was queued', async () => {
    const client = await connect()
    await client.pipeline(['MULTI', 'SET e v PX 1000'])
    await new Promise((resolve) => setTimeout(resolve, 300))
    await client.ask('EXEC')
    expect(await atSource.pttl('e')).toBeGreaterThan(750)
  })

  it('is seen where a script in it writes what it does not declare, in whatever database', async () => {
    const client = await connect()
    const lines = ['SET hidden 1', 'MULTI', 'EVAL redis.call("incr","hid".."den")return(1) 0', 'SELECT 6']
    const answers = await client.pipeline([...lines, 'EVAL redis.call("incr","hid".."den")return(1) 1 k', 'INCR n', 'EXEC'])
    expect(answers.at(-1)).toBe(`*4\r\n:1\r\n${ok}:1\r\n:1\r\n`)
    const watched = ['SELECT 0', 'WATCH a', 'MULTI', 'EVAL redis.call("incr","hid".."den")return(1) 1 k', 'EXEC']
    expect((await client.pipeline(watched)).at(-1)).toBe('*1\r\n:1\r\n')
    await ferry.untilSettled()
    expect([await atTarget.get('hidden'), await atSource.get('hidden')]).toEqual(['3', '3'])
  })

  it('is copied where the reply does not tell, and only that', async () => {
    const client = await connect()
    const lines = ['MULTI', 'EVAL redis.call("set",KEYS[1],"x")return(1) 1 k', 'SET plain 1', 'RENAME k j', 'EXEC']
    expect((await client.pipeline(lines)).at(-1)).toMatch(/^\*3/)
    await ferry.untilSettled()
    expect([await atTarget.get('j'), await atTarget.get('plain'), await atTarget.exists('k')]).toEqual(['x', '1', 0])
  })
})

describe('WAIT through Ferry', () => {
  it('is answered by the authority and holds nobody else up', async () => {
    const [waiting, other] = [await connect(), await connect()]
    const started = performance.now()
    const answered = waiting.pipeline(['SET a 1', 'WAIT 1 600', 'GET a'])
    expect(await other.pipeline(['SET b 1', 'GET b'])).toEqual([ok, bulk('1')])
    expect(performance.now() - started).toBeLessThan(500)
    expect(await answered).toEqual([ok, ':0\r\n', bulk('1')])
    expect(performance.now() - started).toBeGreaterThan(550)
  })

  it('ends on the server when its client goes', async () => {
    const waiting = await connect()
    waiting.write('WAIT 1 0\r\n')
    const blocked = async (): Promise<number> => Number(/blocked_clients:(\d+)/.exec(await atSource.info('clients'))?.[1])
    await until(async () => (await blocked()) === 1, { what: 'the server to wait' })
    waiting.vanish()
    await until(async () => (await blocked()) === 0, { what: 'the server to wait no more' })
  })
})

describe('where connections are lost', () => {
  it('answers nil where the connection that watches is lost, and goes on', async () => {
    const client = await connect()
    await client.pipeline(['WATCH a', 'MULTI', 'SET a 1'])
    toSource.cut()
    await ferry.untilStatus('the source to be up', ({ source }) => source.state === 'up')
    expect(await client.ask('EXEC')).toBe(nil)
    expect(await client.pipeline(['WATCH a', 'MULTI', 'SET a 1', 'EXEC'])).toEqual([ok, ok, queued, `*1\r\n${ok}`])
  })

  it('is unknown where the connection went with EXEC on it, and its keys are copied', async () => {
    const client = await connect()
    await client.pipeline(['SET a 1', 'WATCH a', 'MULTI', 'INCR a', 'SPOP s'])
    source.freeze()
    client.write('EXEC\r\n')
    await new Promise((resolve) => setTimeout(resolve, 100))
    toSource.cut()
    source.thaw()
    expect(await client.take(1)).toEqual([expect.stringMatching(/^-ERR FERRY unknown-outcome|^\*-1/)])
    await ferry.untilSettled()
  })
})

describe('between users, who have no order among them', () => {
  it('loses no step on one key, with WATCH and without', async () => {
    for (const server of [atSource, atTarget]) {
      await server.acl('SETUSER', 'ann', 'on', '>ann', '~*', '&*', '+@all')
      await server.acl('SETUSER', 'bob', 'on', '>bob', '~*', '&*', '+@all')
    }
    const clients = await Promise.all(['ann', 'bob', 'ann', 'bob'].map((user) => connect(ferry.port, `AUTH ${user} ${user}`)))
    const add = async (client: WireClient, i: number): Promise<void> => {
      for (let done = 0; done < 10; ) {
        const [, value] = await client.pipeline(['WATCH n', 'GET n'])
        const next = 1 + Number(/\r\n(\d+)/.exec(value as string)?.[1] ?? 0)
        if ((await client.pipeline(['MULTI', `SET n ${next}`, `SPOP s:${i}`, 'EXEC'])).at(-1) !== nil) done++
        await client.pipeline([`SADD s:${i} a b c`, 'MULTI', 'INCRBYFLOAT f 0.5', 'RPUSH l x', 'EXEC'])
      }
    }
    await Promise.all(clients.map(add))
    await ferry.untilSettled()
    expect([await atSource.get('n'), await atTarget.get('n')]).toEqual(['40', '40'])
    expect(await atTarget.get('f')).toBe(await atSource.get('f'))
  })

  it('may do on the watched connection what its user may do, and no more', async () => {
    for (const server of [atSource, atTarget])
      await server.acl('SETUSER', 'eve', 'on', '>eve', 'resetkeys', '~own:*', '&*', '+@all')
    const client = await connect(ferry.port, 'AUTH eve eve')
    expect(await client.ask('WATCH other')).toMatch(/^-NOPERM/)
    expect(await client.pipeline(['WATCH own:1', 'MULTI', 'SET own:1 1', 'EXEC'])).toEqual([ok, ok, queued, `*1\r\n${ok}`])
    expect((await client.pipeline(['WATCH own:1', 'MULTI', 'SET other 1', 'EXEC'])).at(-1)).toMatch(/^-EXECABORT/)
    const other = await connect(ferry.port)
    expect((await other.pipeline(['WATCH own:1', 'AUTH eve eve', 'MULTI', 'SET own:1 2', 'EXEC'])).at(-1)).toBe(nil)
    expect(await atTarget.mget('own:1', 'other')).toEqual(['1', null])
  })
})

it('is all the same where one side alone is written to, and the other learns nothing of it', async () => {
  const alone = await Ferry.start({ source: source.url, target: target.url, phase: 'observe' })
  try {
    const [through, direct] = [await connect(alone.port), await connect(plain.port)]
    const lines = [
      'WATCH a',
      'SET a 1',
      'MULTI',
      'INCR a',
      'EXEC',
      'WATCH a',
      'MULTI',
      'SPOP s',
      'SELECT 2',
      'INCR a',
      'FLUSHALL',
    ]
    const rest = ['CLIENT GETNAME', 'EXEC', 'INCR a', 'WAIT 0 10', 'FLUSHALL']
    expect(await through.pipeline([...lines, ...rest])).toEqual(await direct.pipeline([...lines, ...rest]))
    expect(await atTarget.info('commandstats')).not.toMatch(/cmdstat_mset:/)
    await through.pipeline(['MULTI', 'MSET a 1 b 2', 'EXEC', 'WATCH a', 'MULTI', 'MSET a 1 b 2', 'EXEC'])
    expect(await atTarget.info('commandstats')).not.toMatch(/cmdstat_mset:/)
    await through.ask('FLUSHALL')
  } finally {
    await alone.dispose()
  }
})
