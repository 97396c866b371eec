/**
 * CLIENT, and what belongs to a connection: each scene is played through Ferry and at a server of its own, and every byte is the same but
 * for numbers, addresses, ages and figures of memory. Where Ferry is not a server, that has a test of its own.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { played } from '../../support/played.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { multibulk, WireClient } from '../../support/wire-client.ts'

let servers: [source: RedisServer, target: RedisServer, plain: RedisServer]
let ferry: Ferry

/** The last one is the server that Ferry is held against. */
async function start(engine?: string): Promise<void> {
  const options = engine === undefined ? {} : { engine }
  servers = await Promise.all([startRedis(options), startRedis(options), startRedis(options)])
  ferry = await Ferry.start({ source: servers[0].url, target: servers[1].url })
  await ferry.backfill()
}

async function stop(): Promise<void> {
  await ferry?.dispose()
  await Promise.all((servers ?? []).map((server) => server.stop()))
}

async function same(scene: readonly string[]): Promise<string[]> {
  const [through, direct] = await Promise.all([played(ferry.port, scene), played(servers[2].port, scene)])
  expect(through).toEqual(direct)
  return through
}

const by = (who: string, lines: readonly string[]): string[] => lines.map((line) => `${who}: ${line}`)

/** Errors and answers that need no other client; the filters are those that every version has. */
const alone: Readonly<Record<string, readonly string[]>> = {
  names: [
    'CLIENT GETNAME',
    'CLIENT SETNAME ada',
    'CLIENT GETNAME',
    'CLIENT SETNAME "a_b"',
    'CLIENT SETNAME ""',
    'CLIENT GETNAME',
  ],
  'wrong names': [
    'CLIENT SETNAME',
    'CLIENT SETNAME a b',
    'CLIENT GETNAME x',
    'CLIENT ID x',
    'CLIENT INFO x',
    'CLIENT GETREDIR x',
  ],
  hints: ['CLIENT NO-EVICT', 'CLIENT NO-EVICT maybe', 'CLIENT NO-EVICT on', 'CLIENT NO-EVICT off', 'CLIENT GETREDIR'],
  'LIST by wrong filters': [
    'CLIENT LIST ID 999999',
    'CLIENT LIST ID',
    'CLIENT LIST ID x',
    'CLIENT LIST TYPE x',
    'CLIENT LIST TYPE',
    'CLIENT LIST TYPE normal x',
    'CLIENT LIST NONSENSE',
    'CLIENT LIST TYPE replica',
    'CLIENT LIST TYPE master',
    'CLIENT LIST TYPE pubsub',
  ],
  'KILL by wrong filters': [
    'CLIENT KILL',
    'CLIENT KILL nonsense',
    'CLIENT KILL x y',
    'CLIENT KILL ID',
    'CLIENT KILL ID x',
    'CLIENT KILL ID 0',
    'CLIENT KILL ID 999999',
    'CLIENT KILL ADDR',
    'CLIENT KILL ADDR 1.2.3.4:5',
    'CLIENT KILL LADDR 1.2.3.4:5',
    'CLIENT KILL 1.2.3.4:5',
    'CLIENT KILL TYPE x',
    'CLIENT KILL TYPE pubsub',
    'CLIENT KILL USER nobody',
    'CLIENT KILL USER default ID 999999',
    'CLIENT KILL SKIPME x',
    'CLIENT KILL SKIPME yes ID 999999',
    'CLIENT KILL ADDR 1.2.3.4:5 ID 9999 TYPE pubsub USER default SKIPME no',
  ],
  'PAUSE, UNPAUSE, REPLY, UNBLOCK': [
    'CLIENT PAUSE x',
    'CLIENT PAUSE -1',
    'CLIENT PAUSE 0 x',
    'CLIENT PAUSE 1 write',
    'CLIENT UNPAUSE',
    'CLIENT UNPAUSE x',
    'CLIENT REPLY',
    'CLIENT REPLY x',
    'CLIENT REPLY on off',
    'CLIENT REPLY ON',
    'CLIENT UNBLOCK',
    'CLIENT UNBLOCK x',
    'CLIENT UNBLOCK 999999 x',
    'CLIENT UNBLOCK 999999 error',
  ],
  tracking: [
    'CLIENT TRACKINGINFO',
    'CLIENT TRACKINGINFO x',
    'CLIENT TRACKING',
    'CLIENT TRACKING x',
    'CLIENT TRACKING on nonsense',
    'CLIENT CACHING',
    'CLIENT CACHING x',
    'CLIENT CACHING yes',
    'HELLO 3',
    'CLIENT TRACKING on optin noloop',
    'CLIENT CACHING yes',
    'CLIENT TRACKINGINFO',
    'CLIENT GETREDIR',
    'CLIENT TRACKING off',
    'CLIENT TRACKINGINFO',
  ],
  'what does not exist': ['CLIENT', 'CLIENT NONSENSE', 'CLIENT NONSENSE a b', 'CLIENT HELP x', 'CLIENT HELP'],
  'PING and ECHO': ['PING', 'PING a', 'PING a b', 'ECHO', 'ECHO a b', 'QUIT x'],
  'AUTH and HELLO': [
    'AUTH',
    'AUTH x',
    'AUTH a b',
    'AUTH a b c',
    'AUTH default ""',
    'HELLO x',
    'HELLO 1',
    'HELLO 4',
    'HELLO 3 SETNAME',
    'HELLO 3 AUTH a',
    'HELLO 3 NONSENSE',
    'HELLO 3 SETNAME "a_b"',
    'CLIENT GETNAME',
  ],
  SELECT: ['SELECT', 'SELECT x', 'SELECT -1', 'SELECT 16', 'SELECT 99999999999999999999', 'SELECT 3 4', 'SELECT 15', 'PING'],
}

const scenes: Readonly<Record<string, readonly string[]>> = {
  'KILL by id': ['a: PING', 'b: PING', 'a: CLIENT KILL ID {b}', 'b!', 'a: CLIENT LIST ID {b}'],
  'KILL by address': ['a: PING', 'b: PING', 'a: CLIENT KILL {@b}', 'b!'],
  'KILL by filters that say the same': ['a: PING', 'b: PING', 'a: CLIENT KILL ADDR {@b} TYPE normal USER default', 'b!'],
  'KILL of those of a type': ['a: PING', 'b: SUBSCRIBE x', 'c: PING', 'a: CLIENT KILL TYPE pubsub', 'b!', 'c: PING'],
  'KILL where one filter fits and another does not': ['a: PING', 'b: PING', 'a: CLIENT KILL ID {b} TYPE pubsub', 'b: PING'],
  'KILL of oneself by filter, only where asked for': [
    'a: PING',
    'a: CLIENT KILL ID {a}',
    'a: PING',
    'a: CLIENT KILL ID {a} SKIPME no',
    'a!',
  ],
  'KILL of oneself by address': ['a: PING', 'a: CLIENT KILL {@a}', 'a!'],
  'KILL of one that waits for a key': [
    'a: PING',
    'b> BLPOP nothing 0',
    'a: CLIENT KILL ID {b}',
    'b!',
    'a: LPUSH nothing x',
    'a: LLEN nothing',
  ],
  'UNBLOCK of a client that does not wait': ['a: PING', 'b: PING', 'a: CLIENT UNBLOCK {b}', 'b: PING'],
  'REPLY OFF to ON': [
    'a> CLIENT REPLY OFF',
    'a> SET k 1',
    'a> CLIENT REPLY SKIP',
    'a> NONSENSE',
    'a> MULTI',
    'a> INCR k',
    'a> EXEC',
    'a: CLIENT REPLY ON',
    'a: GET k',
  ],
  'REPLY SKIP skips one reply': ['a> CLIENT REPLY SKIP', 'a> SET k 5', 'a: GET k', 'a> CLIENT REPLY SKIP', 'a> GET', 'a: PING'],
  'REPLY SKIP before REPLY ON': ['a> CLIENT REPLY SKIP', 'a> CLIENT REPLY ON', 'a: PING'],
  'REPLY OFF of a subscriber hides no message': [
    'a: HELLO 2',
    'b: HELLO 3',
    'b: SUBSCRIBE ch',
    'b> CLIENT REPLY OFF',
    'b> PING',
    'b: CLIENT REPLY ON',
    'a: PUBLISH ch m',
    'b<',
  ],
  'RESET of everything': [
    'a: HELLO 3',
    'a: CLIENT SETNAME ada',
    'a: SELECT 3',
    'a: SET three 3',
    'a: CLIENT TRACKING on',
    'a: WATCH w',
    'a: MULTI',
    'a: SET never 1',
    'a: RESET',
    'a: CLIENT GETNAME',
    'a: CLIENT TRACKINGINFO',
    'a: HGETALL nothing',
    'a: EXISTS three',
    'a: EXEC',
    'a: EXISTS never',
  ],
  'RESET of a subscriber, who may say anything again': ['a: SUBSCRIBE x', 'a: GET k', 'a: RESET', 'a: GET nothing'],
  'RESET of one that watches and one that monitors': [
    'a: WATCH k',
    'b: SET k 9',
    'a: RESET',
    'a: MULTI',
    'a: GET k',
    'a: EXEC',
    'c: MONITOR',
    'c: RESET',
    'b: PING',
    'c: PING',
  ],
  'RESET after REPLY OFF': ['a> CLIENT REPLY OFF', 'a> PING', 'a: RESET', 'a: PING'],
  QUIT: ['a: SET k 1', 'a: QUIT', 'a!'],
  'QUIT of a subscriber and in MULTI': ['a: SUBSCRIBE x', 'a: QUIT', 'a!', 'b: MULTI', 'b: SET k 2', 'b: QUIT', 'b!', 'c: GET k'],
  'PAUSE WRITE lets reads through': [
    'a: CLIENT PAUSE 10000 WRITE',
    'b: GET nothing',
    'b> SET p 1',
    'a: EXISTS p',
    'a: CLIENT UNPAUSE',
    'b<',
    'a: GET p',
  ],
  'PAUSE WRITE stops what could write, MULTI at its EXEC': [
    'b: MULTI',
    'b: SET p 2',
    'c: MULTI',
    'c: EXISTS p',
    'a: CLIENT PAUSE 10000 WRITE',
    'b> EXEC',
    'c: EXEC',
    'd> PUBLISH ch m',
    'e> EVAL "return_1" 0',
    'f> PFCOUNT nothing',
    'a: EXISTS p',
    'a: CLIENT UNPAUSE',
    'b<',
    'd<',
    'e<',
    'f<',
  ],
  'PAUSE WRITE holds a write that is to be queued, too': [
    'b: MULTI',
    'a: CLIENT PAUSE 10000 WRITE',
    'b> SET p 2',
    'a: CLIENT UNPAUSE',
    'b<',
    'b: EXEC',
  ],
  'PAUSE ALL ends by itself': ['a: CLIENT PAUSE 50 ALL', 'b: PING', 'b: GET nothing'],
  'PAUSE is not made shorter or milder': [
    'a: CLIENT PAUSE 10000 WRITE',
    'a: CLIENT PAUSE 1 WRITE',
    'b> SET p 3',
    'c: EXISTS p',
    'a: CLIENT UNPAUSE',
    'b<',
  ],
}

beforeEach(async () => {
  for (const server of servers) await server.client().flushall()
})

describe('on Redis 7.0', () => {
  beforeAll(() => start())
  afterAll(stop)

  it.each(Object.keys(alone))('%s: as at a server', async (name) => {
    await same(by('a', alone[name] as string[]))
  })

  it.each(Object.keys(scenes))('%s: as at a server', async (name) => {
    await same(scenes[name] as string[])
    await ferry.untilSettled()
    expect(await differencesOf(servers[0], servers[1])).toEqual([])
  })

  it('tells more of a client than an old server does: its library, and filters of newer servers', async () => {
    const heard = await played(ferry.port, [
      'a: CLIENT SETINFO lib-name tester',
      'a: CLIENT SETINFO LIB-VER 1.0',
      'a: CLIENT SETINFO nonsense 1',
      'a: CLIENT NO-TOUCH on',
      'b: CLIENT SETNAME ada',
      'b: CLIENT LIST LIB-NAME tester NOT-ID {b}',
      'b: CLIENT LIST NAME ada IDLE 1000',
      'b: CLIENT KILL NAME nobody MAXAGE 1000',
      'b: CLIENT KILL LIB-NAME tester',
      'a!',
    ])
    expect(heard[2]).toMatch(/^a -ERR Unrecognized option 'nonsense'/)
    expect(heard[5]).toMatch(/^b \$\r\nid=\{a\} addr=@a .*flags=T .*lib-name=tester lib-ver=1.0\n\r\n$/)
    expect(heard.slice(6)).toEqual(['b $0\r\n\r\n', 'b :0\r\n', 'b :1\r\n', 'a  closed'])
  })

  it('refuses a pause that nobody could wait for', async () => {
    const client = await WireClient.open(ferry.port)
    expect(await client.ask('CLIENT PAUSE 3600001')).toMatch(/^-ERR FERRY limit: /)
    expect(await client.pipeline(['SET k 1', 'CLIENT PAUSE 3600000 WRITE', 'CLIENT UNPAUSE'])).toEqual(Array(3).fill('+OK\r\n'))
    client.close()
  })

  it.each(['vanish', 'close'] as const)(
    'does not run what a client asked for that is gone before the pause is over (%s)',
    async (go) => {
      for (const port of [servers[2].port, ferry.port]) {
        const [one, other] = [await WireClient.open(port), await WireClient.open(port)]
        await other.ask('CLIENT SETNAME paused')
        await one.ask('CLIENT PAUSE 10000 WRITE')
        // More behind it: what was read meanwhile is not run either.
        other.write(multibulk('INCR', 'gone'))
        await until(async () => (await one.ask('CLIENT LIST')).includes('cmd=incr'), { what: 'the command to come' })
        other.write(multibulk('INCR', 'gone'))
        other[go]()
        await until(async () => !(await one.ask('CLIENT LIST')).includes('name=paused'), { what: 'the client to be gone' })
        expect(await one.pipeline(['CLIENT UNPAUSE', 'INCR after', 'EXISTS gone'])).toEqual(['+OK\r\n', ':1\r\n', ':0\r\n'])
        one.close()
      }
      await ferry.untilSettled()
      expect(await differencesOf(servers[0], servers[1])).toEqual([])
    },
  )

  it('runs what a paused client has sent behind its command in its order, once the pause is over', async () => {
    const [one, other] = [await WireClient.open(ferry.port), await WireClient.open(ferry.port)]
    await one.ask('CLIENT PAUSE 10000 WRITE')
    other.write(multibulk('RPUSH', 'l', 'a'))
    await until(async () => (await one.ask('CLIENT LIST')).includes('cmd=rpush'), { what: 'the command to come' })
    const bytesIn = async (): Promise<number> => {
      const metrics = await (await fetch(`${ferry.controlUrl}/metrics`)).text()
      return Number(/^ferry_client_bytes_total\{direction="in"\} (\d+)/m.exec(metrics)?.[1])
    }
    const before = await bytesIn()
    const value = 'x'.repeat(100_000)
    other.write(multibulk('RPUSH', 'l', value) + multibulk('LLEN', 'l') + multibulk('LINDEX', 'l', '1').slice(0, 9))
    await until(async () => (await bytesIn()) - before > value.length, { what: 'the rest to come' })
    await one.ask('CLIENT UNPAUSE')
    other.write(multibulk('LINDEX', 'l', '1').slice(9))
    expect(await other.take(4)).toEqual([':1\r\n', ':2\r\n', ':2\r\n', `$100000\r\n${value}\r\n`])
    one.close()
    other.close()
  })

  it.each(['LIST', 'KILL'])('takes more ids than a function takes arguments (%s)', async (what) => {
    const client = await WireClient.open(ferry.port)
    const ids = Array.from({ length: 400_000 }, (_, i) => String(i + 1_000_000))
    client.write(encodeCommand(['CLIENT', what, 'ID', ...ids]))
    expect(await client.take(1, 20_000)).toEqual([what === 'LIST' ? '$0\r\n\r\n' : ':0\r\n'])
    expect(await client.ask('PING')).toBe('+PONG\r\n')
    client.close()
  })

  it('KILLs only its own clients: the connections of Ferry stay', async () => {
    const before = await ferry.status()
    await played(ferry.port, ['a: PING', 'b: PING', 'a: CLIENT KILL TYPE normal', 'b!', 'a: CLIENT KILL SKIPME no', 'a!'])
    const after = await ferry.status()
    expect([after.source.connections, after.target.connections]).toEqual([before.source.connections, before.target.connections])
    expect(after.source.state).toBe('up')
  })

  it('takes inline commands as a server does', async () => {
    const lines =
      'SET k "a b"\r\nGET k\r\nCLIENT SETNAME ada\nCLIENT GETNAME\r\n\r\n  \r\nSET bin "\\x00\\n"\r\nSTRLEN bin\r\nmget k \'x y\'\r\nQUIT\r\n'
    const received: string[] = []
    for (const port of [ferry.port, servers[2].port]) {
      const client = await WireClient.open(port)
      client.write(lines)
      await client.untilClosed()
      received.push(client.received)
    }
    expect(received[0]).toBe(received[1])
  })
})

describe.each(['redis-8.0', 'valkey-9.1'])('on %s', (engine) => {
  const missing = engineMissing(engine)
  beforeAll(() => (missing ? undefined : start(engine)))
  afterAll(() => (missing ? undefined : stop()))

  it.skipIf(missing)('says what the server says, to one client', async () => {
    // Its extra words after PAUSE and UNBLOCK are no part of the tables above.
    for (const [name, lines] of Object.entries(alone))
      if (name !== 'AUTH and HELLO')
        await same(
          by(
            'a',
            lines.filter((l) => l !== 'HELLO 3'),
          ),
        )
  })

  it.skipIf(missing)('describes clients as the server does', async () => {
    const scene = [
      'a: CLIENT INFO',
      'a: CLIENT SETINFO lib-name x',
      'a: CLIENT SETINFO lib-ver "a_b"',
      'a: CLIENT NO-TOUCH on',
      'a: CLIENT NO-TOUCH x',
    ]
    await same([
      ...scene,
      'a: CLIENT SETNAME n',
      'a: SELECT 3',
      'a: CLIENT INFO',
      'a: CLIENT TRACKING on',
      'b: SUBSCRIBE x',
      'a: CLIENT LIST ID {a} {b}',
    ])
  })

  describe.skipIf(engine !== 'valkey-9.1')('by its many filters', () => {
    const words = [
      ['NAME', 'n', 'x'],
      ['USER', 'default', 'nobody'],
      ['TYPE', 'normal', 'x'],
      ['ADDR', '{@a}', '1.2.3.4:5'],
      ['IP', '127.0.0.1', '1.2.3.4'],
      ['LIB-NAME', 'lib', 'x'],
      ['LIB-VER', '7', 'x'],
      ['DB', '3', 'x'],
      ['DB', '3', '9'],
      ['FLAGS', 'N', '1'],
      ['CAPA', 'r', 'x'],
      ['MAXAGE', '1000', 'x'],
      ['IDLE', '1000', '0'],
      ['ID', '{a}', 'x'],
    ] as const
    const own = [
      'a: CLIENT SETNAME n',
      'a: SELECT 3',
      'a: CLIENT SETINFO LIB-NAME lib',
      'a: CLIENT SETINFO LIB-VER 7',
      'b: CLIENT CAPA redirect',
    ]

    it.skipIf(missing).each(words)('LIST and KILL by %s %s or %s', async (word, value, other) => {
      const lists = [value, other].flatMap((given) =>
        ['', 'NOT-'].map((not) => `b: CLIENT LIST ${not}${word} ${given} ID {a} {b}`),
      )
      // IDs of this word's own would be added to those that tie it to the scene.
      const kills =
        word === 'ID'
          ? []
          : [value, other].flatMap((given) => ['', 'NOT-'].map((not) => `b: CLIENT KILL ${not}${word} ${given} ID 999999`))
      const scene = [...own, ...lists, ...kills]
      const [through, direct] = await Promise.all([played(ferry.port, scene), played(servers[2].port, scene)])
      // The server lists those that are named by id in no certain order.
      const sorted = (replies: readonly string[]) => replies.map((reply) => reply.split('\n').sort())
      expect(sorted(through)).toEqual(sorted(direct))
    })

    it.skipIf(missing)('KILL by what the scene says of itself', async () => {
      await same([...own, 'c: CLIENT SETNAME n', 'b: CLIENT KILL NAME n NOT-DB 0 IP 127.0.0.1 SKIPME yes', 'a!', 'c: PING'])
      await same([...own, 'c: PING', 'b: CLIENT KILL ID {a} {c}', 'a!', 'c!'])
    })
  })
})
