import { afterEach, describe, expect, it } from 'vitest'
import type { Credentials } from '../../../src/upstream/handshake.ts'
import { contextOf } from '../../../src/upstream/lane.ts'
import {
  type Answer,
  bulk,
  type FakeConnection,
  type FakeRedis,
  infoReply,
  startFakeRedis,
  timeReply,
} from '../../support/fake-redis.ts'
import { feed, type LaneFixture, laneTo } from '../../support/lane-fixture.ts'
import { runsOf } from '../../support/splits.ts'
import { until } from '../../support/wait.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

interface Setup extends LaneFixture {
  readonly fake: FakeRedis
  /** The first connection; others by `fake.connection`. */
  readonly server: FakeConnection
}

async function setup(answer?: Answer, credentials?: Credentials): Promise<Omit<Setup, 'server'>> {
  const fake = await startFakeRedis(answer)
  const fixture = laneTo(fake.port, credentials)
  cleanups.push(() => {
    fixture.lane.close()
    fake.stop()
  })
  fixture.lane.connect()
  return { ...fixture, fake }
}

async function connected(answer?: Answer, credentials?: Credentials): Promise<Setup> {
  const made = await setup(answer, credentials)
  await made.up()
  return { ...made, server: await made.fake.connection(1) }
}

const logged = (log: string[], text: string): Promise<unknown> =>
  until(() => log.some((line) => line.includes(text)), { what: `"${text}" in ${log}` })

describe('the handshake', () => {
  it('asks for what the lane has to know, before anything else', async () => {
    const { server, lane, log } = await connected()
    expect(server.greeting).toEqual(['CLIENT ID', 'TIME', 'PING', 'INFO server'])
    expect([lane.admitted, lane.lastError, lane.inFlight, log]).toEqual([true, null, 0, ['up']])
    expect(lane.server).toEqual({ family: 'redis', version: '7.4.2' })
    expect(Math.abs(lane.clockOffsetMs)).toBeLessThan(1_000)
  })

  it.each([
    [{ username: null, password: 'secret' }, 'AUTH secret'],
    [{ username: 'anna', password: 'secret' }, 'AUTH anna secret'],
  ])('gives its credentials first', async (credentials, command) => {
    const { server, lane } = await connected(undefined, credentials)
    expect(server.greeting[0]).toBe(command)
    expect(lane.admitted).toBe(true)
  })

  it('measures how far the server’s clock is off', async () => {
    const { lane } = await connected((command) => (command === 'TIME' ? timeReply(Date.now() + 3_600_000) : undefined))
    expect(lane.clockOffsetMs).toBeGreaterThan(3_599_000)
    // Never more than it is: no key may outlive what its client said.
    expect(lane.clockOffsetMs).toBeLessThan(3_600_000)
  })

  it('follows a clock that is set', async () => {
    let ahead = 3_600_000
    const { lane } = await connected((command) => (command === 'TIME' ? timeReply(Date.now() + ahead) : undefined))
    for (ahead of [7_200_000, -7_200_000]) {
      lane.askClock()
      await until(() => lane.inFlight === 0)
      expect(lane.clockOffsetMs).toBeGreaterThan(ahead - 1_000)
      expect(lane.clockOffsetMs).toBeLessThan(ahead)
    }
  })

  it('knows Valkey by its own name', async () => {
    const info = bulk('redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n')
    const { lane } = await connected((command) => (command === 'INFO server' ? info : undefined))
    expect(lane.server).toEqual({ family: 'valkey', version: '8.1.0' })
  })

  it('is up but not admitted where credentials are wanted', async () => {
    const { lane } = await connected(() => '-NOAUTH Authentication required.\r\n')
    expect([lane.up, lane.admitted, lane.lastError]).toEqual([true, false, 'NOAUTH Authentication required.'])
  })

  it('is not admitted with a wrong password, even if the server lets nobodies in', async () => {
    const refusal = 'WRONGPASS invalid username-password pair or user is disabled.'
    const { lane } = await connected((command) => (command.startsWith('AUTH') ? `-${refusal}\r\n` : undefined), {
      username: null,
      password: 'x',
    })
    expect([lane.admitted, lane.lastError]).toEqual([false, refusal])
  })

  it('comes back later where the server is loading', async () => {
    let loading = true
    const { log, lane, up, fake } = await setup((command) =>
      loading && command === 'PING' ? '-LOADING Redis is loading the dataset in memory\r\n' : undefined,
    )
    await logged(log, 'down: LOADING')
    expect(lane.up).toBe(false)
    loading = false
    await up()
    expect(fake.connections.length).toBeGreaterThan(1)
    expect(log.at(-1)).toBe('up')
  })

  it('tries again until there is a server', async () => {
    const fake = await startFakeRedis()
    const { port } = fake
    fake.stop()
    const fixture = laneTo(port)
    cleanups.push(() => fixture.lane.close())
    fixture.lane.connect()
    await until(() => fixture.log.filter((line) => line.includes('ECONNREFUSED')).length >= 3)
    expect(fixture.lane.up).toBe(false)
  })
})

describe('replies', () => {
  const wire = '+OK\r\n$5\r\nhe\r\no\r\n*2\r\n:1\r\n*1\r\n$-1\r\n-ERR no\r\n:7\r\n'

  it('go to those who wait, in order, however they arrive', async () => {
    const { lane, ask, log, server } = await connected()
    for (const { chunks, name } of runsOf(Buffer.from(wire))) {
      log.length = 0
      const waiters = [ask('a', 'SET a 1'), ask('b', 'GET a', 'XRANGE x'), ask('c', 'INCR a'), ask('d', 'INCR b')]
      expect(lane.inFlight).toBe(5)
      await feed(lane, server, chunks)
      expect(log, name).toEqual(['a: +OK', 'b: $5 he o *2 :1 *1 $-1', 'c: -ERR no', 'd: :7'])
      expect(waiters.map(({ text }) => text).join('')).toBe(wire)
      expect(waiters.map(({ errors }) => errors)).toEqual([0, 0, 1, 0])
      expect(lane.inFlight).toBe(0)
    }
  })

  it('that come in one chunk are one slice for each who waits', async () => {
    const { lane, ask, server } = await connected()
    const waiter = ask('a', ...Array.from({ length: 500 }, (_, n) => `SET k${n} v`))
    await feed(lane, server, ['+OK\r\n'.repeat(500)])
    expect([waiter.calls, waiter.text.length]).toEqual([1, 2_500])
  })

  it('commands leave in the order of send, whoever sends', async () => {
    const { lane, ask, server } = await connected()
    const sent = Array.from({ length: 200 }, (_, n) => `SET key${n} ${'v'.repeat(n * 30)}`)
    for (const command of sent) ask('a', command)
    expect(await server.received(200)).toEqual(sent)
    expect(lane.inFlight).toBe(200)
  })

  it('are counted as errors one by one', async () => {
    const { lane, ask, server } = await connected()
    const first = ask('a', 'A', 'B', 'C')
    const second = ask('b', 'D')
    await feed(lane, server, ['-ERR a\r\n+OK\r\n-E', 'RR c\r\n+OK\r\n'])
    expect([first.errors, second.errors]).toEqual([2, 0])
  })

  it('nested errors are values, not failures', async () => {
    const { lane, ask, server } = await connected()
    const waiter = ask('a', 'EXEC')
    await feed(lane, server, ['*2\r\n-ERR a\r\n-ERR b\r\n'])
    expect(waiter.errors).toBe(0)
  })
})

describe('sums', () => {
  async function sumsOf(setUp: Setup, wire: string, count: number): Promise<number[]> {
    const sums: number[] = []
    for (const { chunks } of runsOf(Buffer.from(wire))) {
      const waiter = setUp.ask('a', ...Array.from({ length: count }, () => 'X'))
      await feed(setUp.lane, setUp.server, chunks)
      expect(waiter.ended).toBe(true)
      sums.push(waiter.sum)
    }
    return sums
  }

  it.each([
    ['+OK\r\n:1\r\n$3\r\nabc\r\n', 3],
    ['*3\r\n$3\r\nabc\r\n:1\r\n*0\r\n+OK\r\n', 2],
    ['-WRONGTYPE Operation against a key holding the wrong kind of value\r\n', 1],
    ['+OK\r\n-ERR value is not an integer\r\n:5\r\n', 3],
  ])('of %j are the same however the replies are cut', async (wire, count) => {
    expect(new Set(await sumsOf(await connected(), wire, count)).size).toBe(1)
  })

  it('differ where replies differ, and do not where only the words of an error do', async () => {
    const setUp = await connected()
    const sumOf = async (wire: string, count = 1): Promise<number> => (await sumsOf(setUp, wire, count))[0] as number
    expect(await sumOf('+OK\r\n')).not.toBe(await sumOf('+OJ\r\n'))
    expect(await sumOf(':1\r\n:2\r\n', 2)).not.toBe(await sumOf(':2\r\n:1\r\n', 2))
    expect(await sumOf('-ERR one thing\r\n')).toBe(await sumOf('-ERR another thing\r\n'))
    expect(await sumOf('-ERR one thing\r\n')).not.toBe(await sumOf('-WRONGTYPE one thing\r\n'))
    expect(await sumOf('-ERR a b\r\n:1\r\n', 2)).not.toBe(await sumOf('-ERR a b\r\n:2\r\n', 2))
    expect(await sumOf('+a b\r\n')).not.toBe(await sumOf('+a c\r\n'))
  })
})

describe('pushes', () => {
  const push = '>3\r\n+message\r\n+channel\r\n$5\r\nhello\r\n'

  it('between replies are dropped, wherever the bytes are cut', async () => {
    const { lane, ask, log, server } = await connected()
    const wire = `${push}+one\r\n${push}${push}$3\r\ntwo\r\n${push}:3\r\n${push}`
    for (const { chunks, name } of runsOf(Buffer.from(wire))) {
      log.length = 0
      const waiters = [ask('a', 'A', 'B'), ask('b', 'C')]
      await feed(lane, server, chunks)
      expect(log, name).toEqual(['a: +one $3 two', 'b: :3'])
      expect(waiters.map(({ text }) => text)).toEqual(['+one\r\n$3\r\ntwo\r\n', ':3\r\n'])
    }
    expect(lane.up).toBe(true)
  })

  it('while nobody waits are dropped, even if somebody begins to in the middle of one', async () => {
    const { lane, ask, log, server } = await connected()
    await feed(lane, server, [push, push.slice(0, 12)])
    const waiter = ask('a', 'A')
    await feed(lane, server, [push.slice(12), '+OK\r\n'])
    expect(waiter.text).toBe('+OK\r\n')
    expect(log).toEqual(['up', 'a: +OK'])
  })
})

describe('a connection that goes', () => {
  it('costs everybody who waits the replies that are missing, in order, before the owner hears of it', async () => {
    const { lane, ask, log, server } = await connected()
    ask('a', 'A', 'B', 'C')
    ask('b', 'D')
    ask('c', 'E', 'F')
    await feed(lane, server, ['+one\r\n$5\r\nhe'])
    server.cut()
    await logged(log, 'down')
    expect(log.slice(0, 5)).toEqual([
      'up',
      'a lost 2, one begun',
      'b lost 1',
      'c lost 2',
      'down: the server closed the connection',
    ])
    expect([lane.up, lane.inFlight, lane.bufferedBytes]).toEqual([false, 0, 0])
  })

  it('between two replies leaves none begun', async () => {
    const { lane, ask, log, server } = await connected()
    ask('a', 'A', 'B')
    await feed(lane, server, ['+one\r\n'])
    server.cut()
    await logged(log, 'down')
    expect(log[1]).toBe('a lost 1')
  })

  it('in the middle of a push leaves no reply begun: a push belongs to nobody', async () => {
    const { lane, ask, log, server } = await connected()
    ask('a', 'A', 'B')
    await feed(lane, server, ['+one\r\n>2\r\n+mes'])
    server.cut()
    await logged(log, 'down')
    expect(log[1]).toBe('a lost 1')
  })

  it('forgets the half of a reply that it had', async () => {
    const { lane, ask, log, server, fake, up } = await connected()
    ask('a', 'A')
    await feed(lane, server, ['$100\r\nhalf'])
    server.cut()
    await logged(log, 'down')
    await up()
    const waiter = ask('b', 'B')
    await feed(lane, await fake.connection(2), ['+OK\r\n'])
    expect([waiter.text, waiter.errors]).toEqual(['+OK\r\n', 0])
  })

  it.each([
    ['a reply that nobody asked for', '+OK\r\n', 'nobody asked for'],
    ['an error that nobody asked for', '-ERR max number of clients reached\r\n', 'nobody asked for'],
    ['bytes that are no reply', 'HTTP/1.1 400 Bad Request\r\n', 'unknown type 0x48'],
  ])('%s ends it, too', async (_, wire, why) => {
    const { log, server, fake, up } = await connected()
    server.send(wire)
    await logged(log, why)
    await up()
    expect(fake.connections).toHaveLength(2)
  })

  it('garbage in place of a reply loses that reply', async () => {
    const { ask, log, server } = await connected()
    ask('a', 'A')
    server.send('garbage')
    await logged(log, 'unknown type')
    expect(log[1]).toBe('a lost 1, one begun')
  })

  it('more replies than were asked for end it after the good ones', async () => {
    const { ask, log, server } = await connected()
    ask('a', 'A')
    server.send('+OK\r\n+OK\r\n')
    await logged(log, 'nobody asked for')
    expect(log.slice(0, 2)).toEqual(['up', 'a: +OK'])
  })
})

describe('a new connection', () => {
  it('first kills the one before on the server', async () => {
    const { log, server, fake, up } = await connected()
    server.cut()
    await logged(log, 'down')
    await up()
    const second = await fake.connection(2)
    expect(second.greeting).toEqual(['CLIENT ID', 'TIME', 'PING', 'INFO server', `CLIENT KILL ID ${server.id}`])
    expect(log.filter((line) => line === 'up')).toHaveLength(2)
  })

  it.each([
    ['the server was started anew: its number may be a stranger’s', infoReply('second'), 0],
    ['the server does not tell who it is', '-NOPERM no permissions\r\n', 950],
  ])('does not kill it where %s', async (_, info, waitsMs) => {
    let again = false
    const { log, server, fake, up } = await connected((command) => (again && command === 'INFO server' ? info : undefined))
    again = true
    server.cut()
    await logged(log, 'down')
    const startedMs = performance.now()
    await up()
    const waitedMs = performance.now() - startedMs
    expect(waitedMs).toBeGreaterThanOrEqual(waitsMs)
    if (waitsMs === 0) expect(waitedMs).toBeLessThan(900)
    expect((await fake.connection(2)).greeting.join()).not.toContain('CLIENT KILL')
  })

  it('kills the last one that was in use, if one in between never came to be', async () => {
    let loading = false
    const { log, server, fake, up } = await connected((command) => (loading && command === 'PING' ? '-LOADING\r\n' : undefined))
    loading = true
    server.cut()
    await logged(log, 'down: LOADING')
    loading = false
    await up()
    expect(fake.connections.at(-1)?.greeting).toContain(`CLIENT KILL ID ${server.id}`)
  })

  it('waits out what may still run where the kill is refused or not known', async () => {
    const refusals = ["-NOPERM this user has no permissions to run the 'client|kill' command\r\n", '-ERR syntax error\r\n']
    const waited = refusals.map(async (refusal) => {
      const { log, server, up } = await connected((command) => (command.startsWith('CLIENT KILL') ? refusal : undefined))
      server.cut()
      await logged(log, 'down')
      const startedMs = performance.now()
      await up()
      return performance.now() - startedMs
    })
    for (const ms of await Promise.all(waited)) expect(ms).toBeGreaterThan(950)
  })

  it('waits it out, too, where the server does not say who we are', async () => {
    const { log, server, up } = await connected((command) => (command === 'CLIENT ID' ? '-NOPERM no permissions\r\n' : undefined))
    server.cut()
    await logged(log, 'down')
    const startedMs = performance.now()
    await up()
    expect(performance.now() - startedMs).toBeGreaterThan(950)
  })

  it('comes although the lane was failed twice', async () => {
    const { lane, log, up, fake } = await connected()
    lane.fail(new Error('once'))
    lane.fail(new Error('twice'))
    await up()
    expect(fake.connections).toHaveLength(2)
    expect(log).toEqual(['up', 'down: once', 'up'])
  })

  it('does not come once the lane is closed', async () => {
    const { lane, log, ask, fake } = await connected()
    ask('a', 'A')
    lane.close()
    expect(log).toEqual(['up', 'a lost 1', 'down: closed'])
    lane.connect()
    lane.close()
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(fake.connections).toHaveLength(1)
    expect(log).toHaveLength(3)
  })
})

describe('whenAnswered', () => {
  it('is at once where nothing is under way', async () => {
    const { lane } = await connected()
    let answered: boolean | null = null
    lane.whenAnswered((all) => {
      answered = all
    })
    expect(answered).toBe(true)
  })

  it('waits for what was sent before, and for nothing sent after', async () => {
    const { lane, ask, log, server } = await connected()
    ask('a', 'A', 'B')
    ask('b', 'C')
    lane.whenAnswered((all) => log.push(`answered ${all}`))
    ask('c', 'D')
    await feed(lane, server, ['+1\r\n+2\r\n', '+3\r\n'])
    expect(log).toEqual(['up', 'a: +1 +2', 'b: +3', 'answered true'])
    await feed(lane, server, ['+4\r\n'])
    expect(log.at(-1)).toBe('c: +4')
  })

  it('says so if the connection went first', async () => {
    const { lane, ask, log, server } = await connected()
    ask('a', 'A')
    lane.whenAnswered((all) => log.push(`answered ${all}`))
    server.cut()
    await logged(log, 'down')
    expect(log).toEqual(['up', 'a lost 1', 'answered false', 'down: the server closed the connection'])
  })

  it('asked within the last reply is at once', async () => {
    const { lane, ask, log, server } = await connected()
    ask('a', 'A').whenEnded = () => lane.whenAnswered((all) => log.push(`answered ${all}`))
    await feed(lane, server, ['+1\r\n'])
    expect(log).toEqual(['up', 'a: +1', 'answered true'])
  })
})

describe('the context', () => {
  const agreeable: Answer = (command) => {
    if (command.startsWith('SELECT')) return '+OK\r\n'
    if (command.startsWith('HELLO 3')) return '%1\r\n+proto\r\n:3\r\n'
    return command.startsWith('HELLO 2') ? '*2\r\n+proto\r\n:2\r\n' : '+done\r\n'
  }
  const except =
    (refused: string): Answer =>
    (command, connection) => {
      if (/^(AUTH|CLIENT|TIME|PING|INFO)/.test(command)) return undefined
      return command.startsWith(refused) ? '-ERR refused\r\n' : agreeable(command, connection)
    }

  it('is switched once, before the command that needs it, and not answered to anybody', async () => {
    const { lane, ask, log, server } = await connected(except('nothing'))
    const steps: [number, string][] = [
      [contextOf(2, 0), 'A'],
      [contextOf(2, 3), 'B'],
      [contextOf(2, 3), 'C'],
      [contextOf(3, 3), 'D'],
      [contextOf(3, 0), 'E'],
      [contextOf(2, 1), 'F'],
    ]
    for (const [context, command] of steps) {
      lane.prepare(context)
      ask(command.toLowerCase(), command)
    }
    expect(await server.received(11)).toEqual([
      'A',
      'SELECT 3',
      'B',
      'C',
      'HELLO 3',
      'D',
      'SELECT 0',
      'E',
      'HELLO 2',
      'SELECT 1',
      'F',
    ])
    await logged(log, 'f: +done')
    expect(log).toEqual(['up', 'a: +done', 'b: +done', 'c: +done', 'd: +done', 'e: +done', 'f: +done'])
  })

  it('is fresh after a reconnect', async () => {
    const { lane, ask, log, server, fake, up } = await connected(except('nothing'))
    lane.prepare(contextOf(3, 2))
    ask('a', 'A')
    await logged(log, 'a: +done')
    server.cut()
    await logged(log, 'down')
    await up()
    lane.prepare(contextOf(2, 0))
    ask('b', 'B')
    lane.prepare(contextOf(3, 2))
    ask('c', 'C')
    expect(await (await fake.connection(2)).received(4)).toEqual(['B', 'HELLO 3', 'SELECT 2', 'C'])
  })

  it.each(['SELECT', 'HELLO'])(
    'that the server refuses (%s) ends the connection: what follows would go to the wrong place',
    async (refused) => {
      const { lane, ask, log } = await connected(except(refused))
      ask('a', 'A')
      lane.prepare(contextOf(3, 9))
      ask('b', 'B')
      await logged(log, 'down')
      expect(log.slice(0, 4)).toEqual([
        'up',
        'a: +done',
        'b lost 1',
        expect.stringMatching(`down: the server refused ${refused}`),
      ])
    },
  )
})

describe('for its watchers a lane', () => {
  it('shows when it last moved on', async () => {
    const { lane, turn, ask, server } = await connected()
    const sentAtMs = turn.tick()
    ask('a', 'A')
    expect(lane.progressMs).toBe(sentAtMs)
    await until(() => turn.tick() > sentAtMs + 5)
    ask('b', 'B')
    expect(lane.progressMs).toBe(sentAtMs)
    await feed(lane, server, ['+1\r\n'])
    expect(lane.progressMs).toBeGreaterThan(sentAtMs + 5)
  })

  it('takes bytes that leave for progress, and silence not', async () => {
    const { lane, turn, ask, server } = await connected()
    ask('a', `SET a ${'v'.repeat(100_000)}`)
    await server.received(1)
    lane.noteWritten()
    const notedMs = lane.progressMs
    await until(() => turn.tick() > notedMs + 5)
    lane.noteWritten()
    expect(lane.progressMs).toBe(notedMs)
  })

  it('can be paused: nothing is read, and nothing is lost', async () => {
    const { lane, ask, log, server } = await connected()
    lane.pause()
    expect(lane.paused).toBe(true)
    ask('a', 'A')
    await server.received(1)
    server.send('+OK\r\n')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(log).toEqual(['up'])
    lane.resume()
    await logged(log, 'a: +OK')
    expect(lane.paused).toBe(false)
  })

  it('counts what it has not written yet', async () => {
    const { lane, ask, server } = await connected()
    ask('a', 'SET a b')
    expect(lane.bufferedBytes).toBe('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n'.length)
    await server.received(1)
    await until(() => lane.bufferedBytes === 0)
  })
})
