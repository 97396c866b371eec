/** Transactions where something is in the way: a user's rights, a side that is away, a limit, a policy, a change of the authority. */
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ChaosProxy } from '../../support/chaos-proxy.ts'
import { differencesOf, type Ferry } from '../../support/ferry.ts'
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
let toTarget: ChaosProxy
let ferry: Ferry
let atSource: Redis
let atTarget: Redis
const queuedBytesMax = 100_000

beforeAll(async () => {
  const limits = { queryBufferBytes: queuedBytesMax, authorityWaitMs: 200, followerTimeoutMs: 500 }
  beside = await SideBySide.open(limits)
  ;({ source, target, plain, toSource, toTarget, ferry } = beside)
  await ferry.backfill()
  ;[atSource, atTarget] = [source.client(), target.client()]
})

beforeEach(() => beside.flushAll())

afterEach(async () => {
  beside.closeClients()
  toSource.pass()
  toTarget.pass()
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
})

afterAll(() => beside?.close())

const connect = (port?: number, ...lines: string[]): Promise<WireClient> => beside.connect(port, ...lines)

const sidesUp = (): Promise<unknown> =>
  ferry.untilStatus('both sides to be up', (status) => status.source.state === 'up' && status.target.state === 'up')

const ok = '+OK\r\n'
const queued = '+QUEUED\r\n'

describe('a user who may not send MULTI', () => {
  it('is told so by MULTI, and what stands behind it runs as on a server', async () => {
    for (const server of [source, target, plain])
      await server.client().acl('SETUSER', 'rw', 'on', '>rw', '~*', '&*', '+@read', '+@write')
    const lines = ['AUTH rw rw', 'MULTI', 'SADD s a', 'SPOP s', 'EXEC', 'SCARD s', 'WATCH a', 'DISCARD']
    const direct = await (await connect(plain.port)).pipeline(lines)
    const through = await (await connect()).pipeline(lines)
    expect(direct[1]).toMatch(/^-NOPERM/)
    expect(through.slice(0, 4)).toEqual(direct.slice(0, 4))
    expect(through[5]).toBe(direct[5])
    expect(through[6]).toBe(direct[6])
  })

  it('has its keys copied where the right was taken away before EXEC', async () => {
    for (const server of [atSource, atTarget]) await server.acl('SETUSER', 'ken', 'reset', 'on', '>ken', '~*', '&*', '+@all')
    const client = await connect(ferry.port, 'AUTH ken ken', 'SADD s a b c d')
    await client.pipeline(['MULTI', 'SPOP s', 'SET a 1'])
    await atSource.acl('SETUSER', 'ken', '-multi')
    expect(await client.ask('EXEC')).toMatch(/^-ERR EXEC without MULTI/)
    expect(await atSource.scard('s')).toBe(3)
    // From now on it is asked about again only where its connection is new; the rights of the one that is known count until then.
    await ferry.untilSettled()
    expect(await atTarget.scard('s')).toBe(3)
  })
})

describe('while the authority is away', () => {
  it('nothing of a transaction runs, at once or later, and the client is out of it', async () => {
    const client = await connect(ferry.port, 'SET before 1')
    toSource.refuse()
    toSource.cut()
    await ferry.untilStatus('the source to be away', (status) => status.source.state !== 'up')
    const lines = ['MULTI', 'SET a 1', 'SET b 1', 'EXEC']
    const answers = await client.pipeline(lines)
    expect(answers.slice(0, 3)).toEqual([ok, queued, queued])
    expect(answers[3]).toMatch(/^-ERR FERRY authority-unavailable/)
    const unknown = await client.pipeline(['MULTI', 'SET a 1', 'NOSUCH a', 'EXEC'])
    expect(unknown[0]).toBe(ok)
    expect(unknown[2]).toMatch(/^-ERR FERRY authority-unavailable/)
    expect(unknown[3]).toMatch(/^-EXECABORT/)
    expect(await client.pipeline(['MULTI', 'SET a 1', 'DISCARD', 'UNWATCH'])).toEqual([ok, queued, ok, ok])
    toSource.pass()
    await sidesUp()
    expect(await client.pipeline(['GET a', 'GET before'])).toEqual(['$-1\r\n', bulk('1')])
  })

  it('one that was begun before runs once it is back', async () => {
    const client = await connect(ferry.port, 'MULTI', 'SPOP s', 'INCR n')
    toSource.cut()
    expect(await client.ask('EXEC')).toBe('*2\r\n$-1\r\n:1\r\n')
    expect(await client.ask('GET n')).toBe(bulk('1'))
  })
})

it('reads what the follower alone was told while the authority was away', async () => {
  await ferry.traffic({ writePolicy: 'best-effort' })
  const client = await connect(ferry.port, 'SET a 1')
  await ferry.untilSettled()
  toSource.refuse()
  toSource.cut()
  await ferry.untilStatus('the source to be away', (status) => status.source.state !== 'up')
  expect(await client.ask('SET a 2')).toBe(ok)
  await client.ask('MULTI')
  await client.ask('GET a')
  const answer = client.ask('EXEC')
  toSource.pass()
  expect(await answer).toBe(`*1\r\n${bulk('2')}`)
  await ferry.traffic({ writePolicy: 'old-authoritative' })
})

it('a library that is loaded in a transaction is on both sides, and what it writes there and then is seen', async () => {
  const client = await connect()
  const library = '#!lua name=mine\nredis.register_function("f", function() redis.call("incr","hid".."den") return 5 end)'
  await client.ask('MULTI')
  await client.call('FUNCTION', 'LOAD', library)
  expect(await client.pipeline(['FCALL f 0', 'EXEC'])).toEqual([queued, '*2\r\n$4\r\nmine\r\n:5\r\n'])
  await ferry.untilSettled()
  expect([await atTarget.get('hidden'), await atTarget.call('FUNCTION', 'LIST')]).toMatchObject(['1', [expect.anything()]])
  expect(await client.pipeline(['MULTI', 'FUNCTION DELETE mine', 'EXEC'])).toEqual([ok, queued, `*1\r\n${ok}`])
  await ferry.untilSettled()
  expect(await atTarget.function('LIST')).toEqual([])
})

it('libraries that somebody else changes meanwhile end up the same on both sides', async () => {
  const [one, other] = [await connect(), await connect()]
  const code = (value: number): string => `#!lua name=mine\nredis.register_function('f', function() return ${value} end)`
  await one.ask('MULTI')
  await one.call('FUNCTION', 'LOAD', 'REPLACE', code(1))
  toSource.delay(30)
  const first = one.ask('EXEC')
  await until(() => toSource.heldBytes > 0, { what: 'EXEC to be on its way' })
  expect(await other.call('FUNCTION', 'LOAD', 'REPLACE', code(2))).toBe(bulk('mine'))
  await first
  toSource.pass()
  const codes = (): Promise<unknown[]> => Promise.all([atSource, atTarget].map((redis) => redis.call('FCALL', 'f', '0')))
  await until(async () => (await codes()).join() === '2,2', { what: 'the later one to be on both sides', timeoutMs: 3_000 })
  expect(await one.ask('FUNCTION FLUSH')).toBe(ok)
})

describe('where a connection goes while a block is under way', () => {
  it.each([
    ['of plain commands', ['INCR n', 'SET a 1']],
    ['with effects', ['INCR n', 'SPOP s', 'XADD x * f v']],
    ['with a script', ['INCR n', 'EVAL redis.call("incr","hid".."den")return(1) 1 k']],
  ])('the authority’s: unknown to the client, and copied: %s', async (_what, commands) => {
    // MULTI and a script: what Ferry asks a server once per connection is asked before it is stalled.
    const client = await connect(ferry.port, 'SADD s a b c d e', 'MULTI', 'EXEC', 'EVAL return(redis.call("get","x".."y")) 0')
    await ferry.untilSettled()
    toSource.stall('to-client')
    const answers = client.pipeline(['MULTI', ...commands, 'EXEC'])
    await until(async () => (await atSource.get('n')) === '1', { what: 'the block to have run' })
    toSource.cut()
    toSource.pass()
    expect((await answers).at(-1)).toMatch(/^-ERR FERRY unknown-outcome/)
    await sidesUp()
    expect(await client.ask('INCR n')).toBe(':2\r\n')
  })

  it('the follower’s: the client has its reply, and the keys are copied', async () => {
    const client = await connect(ferry.port, 'SADD s a b c d e')
    await ferry.untilSettled()
    toTarget.stall('to-server')
    const lines = ['MULTI', 'SPOP s 2', 'INCR n', 'EXEC', 'MULTI', 'INCR n', 'SET b 1', 'EXEC']
    const answers = await client.pipeline(lines)
    expect([answers[3]?.slice(0, 8), answers[7]]).toEqual(['*2\r\n*2\r\n', `*2\r\n:2\r\n${ok}`])
    toTarget.cut()
    toTarget.pass()
    await sidesUp()
    await ferry.untilSettled()
    expect([await atTarget.scard('s'), await atTarget.mget('n', 'b')]).toEqual([3, ['2', '1']])
  })

  it('a follower that is away gets by copy what it missed', async () => {
    const client = await connect(ferry.port, 'SADD s a b c d e')
    toTarget.refuse()
    toTarget.cut()
    await ferry.untilStatus('the target to be away', (status) => status.target.state !== 'up')
    await client.pipeline([
      'MULTI',
      'SPOP s 2',
      'INCR n',
      'EXEC',
      'MULTI',
      'INCR n',
      'EXEC',
      'WATCH n',
      'MULTI',
      'INCR n',
      'EXEC',
    ])
    toTarget.pass()
    await sidesUp()
    await ferry.untilSettled()
    expect([await atTarget.scard('s'), await atTarget.get('n')]).toEqual([3, '3'])
  })
})

it('a transaction holds so many bytes and no more', async () => {
  const client = await connect()
  const value = 'x'.repeat(60_000)
  expect(await client.pipeline(['MULTI', `SET a ${value}`])).toEqual([ok, queued])
  expect(await client.ask(`SET b ${value}`)).toMatch(/^-ERR FERRY limit: a transaction may hold 100000 bytes/)
  expect(await client.pipeline(['SET c 1', 'EXEC'])).toEqual([queued, expect.stringMatching(/^-EXECABORT/)])
  // Small ones take more than their bytes.
  await client.ask('MULTI')
  const many = await client.pipeline(Array.from({ length: 400 }, () => 'PING'))
  expect(many.findIndex((reply) => reply !== queued)).toBeGreaterThan(300)
  expect(await client.ask('EXEC')).toMatch(/^-EXECABORT/)
  expect(await client.pipeline(['MULTI', 'EXISTS a b c', 'EXEC'])).toEqual([ok, queued, '*1\r\n:0\r\n'])
})

it('HELLO inside MULTI greets in its place; AUTH, SUBSCRIBE and another protocol are refused and spoil it', async () => {
  const client = await connect()
  const answers = await client.pipeline(['MULTI', 'SET a 1', 'HELLO 2 SETNAME ada', 'GET a', 'EXEC', 'CLIENT GETNAME'])
  expect(answers[4]).toMatch(/^\*3\r\n\+OK\r\n\*14\r\n\$6\r\nserver\r\n[\s\S]*\r\n\$1\r\n1\r\n$/)
  expect(answers[5]).toBe(bulk('ada'))
  for (const line of ['HELLO 3', 'HELLO 2 AUTH a b', 'AUTH a b', 'SUBSCRIBE c', 'MONITOR']) {
    const [, , refusal, exec] = await client.pipeline(['MULTI', 'SET a 2', line, 'EXEC'])
    expect([line, refusal, exec]).toEqual([
      line,
      expect.stringMatching(/^-ERR FERRY unsupported/),
      expect.stringMatching(/^-EXECABORT/),
    ])
  }
  expect(await client.ask('GET a')).toBe(bulk('1'))
})

it('a PUBLISH inside reaches the subscribers of each side once, and none where EXEC does not run', async () => {
  const heard: string[] = []
  const subscribers = [source, target].map((server, i) => {
    const subscriber = server.client()
    subscriber.on('message', (_channel, message) => heard.push(`${i} ${message}`))
    return subscriber
  })
  await Promise.all(subscribers.map((subscriber) => subscriber.subscribe('news')))
  const client = await connect()
  await client.pipeline(['WATCH a', 'SET a 1', 'MULTI', 'PUBLISH news lost', 'EXEC'])
  expect((await client.pipeline(['MULTI', 'INCR a', 'PUBLISH news told', 'EXEC'])).at(-1)).toBe('*2\r\n:2\r\n:1\r\n')
  await client.ask('PUBLISH news last')
  await until(async () => heard.length >= 4, { what: 'the messages' })
  expect(heard.sort()).toEqual(['0 last', '0 told', '1 last', '1 told'])
})

it('what a script in it wrote is found behind a SWAPDB', async () => {
  const client = await connect()
  const lines = [
    'MULTI',
    'EVAL redis.call("set",KEYS[1],"x")redis.call("set","hid".."den","y")return(1) 1 k',
    'SWAPDB 0 1',
    'EXEC',
  ]
  expect((await client.pipeline(lines)).at(-1)).toBe(`*2\r\n:1\r\n${ok}`)
  await ferry.untilSettled()
  await atTarget.select(1)
  expect(await atTarget.mget('k', 'hidden')).toEqual(['x', 'y'])
  await atTarget.select(0)
})

describe('under a policy', () => {
  it.each(['both-required', 'two-phase-commit', 'best-effort', 'last-write-wins'] as const)('%s', async (writePolicy) => {
    await ferry.traffic({ writePolicy })
    const lines = [
      ...['SET text abc', 'MULTI', 'SET a 1', 'INCR n', 'INCR text', 'EXEC', 'MULTI', 'RENAME a b', 'GET b', 'EXEC'],
      ...['MULTI', 'INCRBYFLOAT f 1.5', 'SPOP none', 'COPY b c DB 3', 'SET e 1 EX 100', 'EXEC', 'WATCH n', 'INCR n'],
      ...['MULTI', 'SET n 9', 'EXEC', 'WATCH n', 'MULTI', 'SET n 9', 'SET m 1', 'EXEC', 'MGET n b m f text'],
    ]
    const direct = await (await connect(plain.port)).pipeline(lines)
    const client = await connect()
    expect(await client.pipeline(lines)).toEqual(direct)
    await ferry.untilSettled()
    expect(await atTarget.mget('n', 'b', 'm', 'f')).toEqual(['9', '1', '1', '1.5'])
    toTarget.refuse()
    toTarget.cut()
    await ferry.untilStatus('the target to be away', (status) => status.target.state !== 'up')
    const alone = (await client.pipeline(['MULTI', 'SET n 10', 'INCR b', 'EXEC'])).at(-1) as string
    const refuses = { 'both-required': /^-ERR FERRY both-required/, 'two-phase-commit': /^-ERR FERRY aborted/ }
    expect(alone).toMatch(writePolicy in refuses ? refuses[writePolicy as keyof typeof refuses] : /^\*2\r\n\+OK\r\n:2\r\n$/)
    toTarget.pass()
    await sidesUp()
    await ferry.traffic({ writePolicy: 'old-authoritative' })
  })
})

it('the authority changes under transactions, watched or not: each runs once, and none fails', async () => {
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect()))
  let stop = false
  const failures: string[] = []
  const done = clients.map(() => 0)
  const work = async (client: WireClient, i: number): Promise<void> => {
    while (!stop) {
      const begin = i % 2 === 0 ? [] : [`WATCH w${i}`]
      const lines = [
        ...begin,
        'MULTI',
        `INCR c${i}`,
        'INCR shared',
        `SADD s${i} a b c`,
        `SPOP s${i}`,
        'INCRBYFLOAT f 0.5',
        'EXEC',
      ]
      const reply = (await client.pipeline(lines)).at(-1) as string
      if (reply.startsWith('*5')) done[i] = (done[i] as number) + 1
      else if (!(i % 2 === 1 && reply === '*-1\r\n')) failures.push(reply)
    }
  }
  const working = Promise.all(clients.map(work))
  for (const [writePolicy, side] of [
    ['new-authoritative', 'target'],
    ['old-authoritative', 'source'],
  ] as const) {
    const before = [...done]
    await until(async () => done.every((each, i) => each > (before[i] as number) + 3), { what: 'transactions to be under way' })
    await ferry.traffic({ writePolicy })
    await ferry.untilStatus('the authority to have changed', ({ authority }) => authority === side)
  }
  stop = true
  await working
  await ferry.untilSettled()
  expect(failures).toEqual([])
  const sum = done.reduce((all, each) => all + each, 0)
  expect([await atSource.get('shared'), await atTarget.get('shared'), await atTarget.get('c1')]).toEqual([
    String(sum),
    String(sum),
    String(done[1]),
  ])
})

it('two-phase-commit puts keys of other databases right as well', async () => {
  await ferry.traffic({ writePolicy: 'two-phase-commit' })
  const client = await connect(ferry.port, 'SET a 1', 'SELECT 3', 'SELECT 0')
  await atTarget.select(3)
  await atTarget.set('b', 'only here')
  // Answered differently, then refused by one side alone: there it is taken back.
  await client.ask('COPY a b DB 3')
  await client.ask('DEL a')
  await atTarget.acl('SETUSER', 'default', '-copy')
  await client.pipeline(['SET a 2', 'MULTI', 'COPY a c DB 3', 'SET a 3', 'EXEC'])
  await atTarget.acl('SETUSER', 'default', '+copy')
  await atTarget.select(0)
  await ferry.untilSettled()
  await atSource.select(3)
  expect(await atSource.mget('b', 'c')).toEqual(['1', null])
  await atSource.select(0)
  expect(await atSource.get('a')).toBe('2')
  await ferry.traffic({ writePolicy: 'old-authoritative' })
})

it('a user who may not read what Ferry would ask beside a command can send it in a transaction all the same', async () => {
  for (const begin of [[], ['WATCH other']]) {
    const user = `may${begin.length}`
    for (const server of [atSource, atTarget])
      await server.acl('SETUSER', user, 'reset', 'on', `>${user}`, '~*', '&*', '+@write', '+@transaction', '-@read')
    const client = await connect(ferry.port, `AUTH ${user} ${user}`)
    const lines = [...begin, 'MULTI', `XADD x${begin.length} MAXLEN ~ 1 1-1 f v`, 'EXEC', 'SET behind 1']
    const first = (await client.pipeline(lines)).slice(-2)
    expect(first).toEqual([begin.length === 0 ? '*1\r\n$3\r\n1-1\r\n' : '*-1\r\n', ok])
    if (begin.length > 0) expect((await client.pipeline(lines)).at(-2)).toBe('*1\r\n$3\r\n1-1\r\n')
    await ferry.untilSettled()
    expect(await atTarget.xlen(`x${begin.length}`)).toBe(1)
  }
})
