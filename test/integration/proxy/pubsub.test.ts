/**
 * Subscriptions through Ferry, held against a plain server's byte for byte in both protocols; and what only a proxy can get wrong: that a
 * message lands inside another reply, that a connection is not given back, that a subscriber waits for messages it has missed.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { SideBySide } from '../../support/side-by-side.ts'
import { until } from '../../support/wait.ts'
import { bulk, multibulk, type WireClient } from '../../support/wire-client.ts'

let beside: SideBySide
let source: RedisServer
let target: RedisServer
let plain: RedisServer
let ferry: Ferry

beforeAll(async () => {
  beside = await SideBySide.open({ outputBufferBytes: 4 * 1024 * 1024 }, ['--notify-keyspace-events', 'KEA'])
  ;({ source, target, plain, ferry } = beside)
})

afterEach(() => {
  beside.closeClients()
})

afterAll(() => beside?.close())

const connect = (port?: number, ...lines: string[]): Promise<WireClient> => beside.connect(port, ...lines)

/** Connections to a server that are subscribed to something, but for Ferry's own that hears of expiries. */
async function subscribedConnections(server: RedisServer): Promise<number> {
  const list = (await server.client().call('client', 'list', 'type', 'pubsub')) as string
  return list.split('\n').filter((line) => line !== '' && !line.includes('name=ferry')).length
}

type Step = readonly ['subscriber' | 'other', ...string[]]

/** What the subscriber is sent while these steps run one after the other, each of them waited for. */
async function transcript(port: number, greeting: readonly string[], steps: readonly Step[]): Promise<string> {
  const [subscriber, other] = [await connect(port), await connect(port)]
  if (greeting.length > 0) await subscriber.pipeline(greeting)
  for (const [who, ...lines] of steps) {
    if (who === 'other') await other.pipeline(lines)
    else {
      subscriber.write(lines.map((line) => multibulk(...line.split(' '))).join(''))
      // A server answers in order: once the mark is back, so is all before it.
      await until(() => subscriber.received.includes(lines.at(-1)?.split(' ').at(-1) as string) || subscriber.closed, {
        what: `an answer to ${lines.at(-1)}`,
        intervalMs: 1,
      })
    }
  }
  return subscriber.received
}

const script: readonly Step[] = [
  ['subscriber', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE', 'UNSUBSCRIBE none1 none2', 'PING first-mark'],
  ['subscriber', 'SUBSCRIBE news sport', 'PSUBSCRIBE n* s?ort', 'SSUBSCRIBE shard', 'SUBSCRIBE news', 'PING second-mark'],
  ['other', 'PUBLISH news hello', 'PUBLISH sport goal', 'SPUBLISH shard hi', 'PUBLISH nothing x', 'PUBLISH silence x'],
  ['subscriber', 'PUNSUBSCRIBE n*', 'UNSUBSCRIBE unknown sport', 'PING third-mark'],
  ['other', 'PUBLISH news again', 'PUBLISH unheard x'],
  ['subscriber', 'UNSUBSCRIBE', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE', 'PING fourth-mark'],
  ['other', 'PUBLISH news unheard'],
  ['subscriber', 'PING fifth-mark'],
]

describe('subscriptions through Ferry', () => {
  it.each([
    ['RESP2', []],
    ['RESP3', ['HELLO 3']],
  ])('are those of a server, byte for byte: %s', async (_name, greeting) => {
    const expected = await transcript(plain.port, greeting, script)
    const through = await transcript(ferry.port, greeting, script)
    expect(through).toEqual(expected)
    expect(expected).toContain('fifth-mark')
  })

  it('let a subscribed client of RESP2 send what a server lets it send, with the same words for the rest', async () => {
    const lines = ['SUBSCRIBE a', 'GET x', 'CONFIG GET maxmemory', 'PING', 'PING hi', 'GET', 'PING a b', 'SUBSCRIBE', 'MULTI']
    const more = [
      'HELLO 3',
      'CLIENT ID',
      'CONFIG NONSENSE',
      'UNSUBSCRIBE',
      'GET x',
      'PSUBSCRIBE p*',
      'GET x',
      'RESET',
      'GET x',
      'QUIT',
    ]
    const [through, direct] = [await connect(), await connect(plain.port)]
    expect(await through.pipeline([...lines, ...more])).toEqual(await direct.pipeline([...lines, ...more]))
    await Promise.all([through.untilClosed(), direct.untilClosed()])
  })

  it('mix with all commands in RESP3, and messages never land inside another reply', async () => {
    const [subscriber, publisher] = [await connect(), await connect()]
    const valueBytes = 300_000
    await publisher.call('SET', 'long', 'x'.repeat(valueBytes))
    await subscriber.pipeline(['HELLO 3', 'SUBSCRIBE busy'])
    const rounds = 10
    subscriber.write(multibulk('GET', 'long').repeat(rounds))
    publisher.write(Array.from({ length: 300 }, (_, i) => multibulk('PUBLISH', 'busy', `message ${i}`)).join(''))
    const all = await subscriber.take(rounds + 300, 20_000)
    const messages = all.filter((reply) => reply.startsWith('>'))
    expect(messages).toEqual(
      Array.from({ length: 300 }, (_, i) => `>3\r\n${bulk('message')}${bulk('busy')}${bulk(`message ${i}`)}`),
    )
    const values = all.filter((reply) => !reply.startsWith('>'))
    expect(values.every((reply) => reply === bulk('x'.repeat(valueBytes)))).toBe(true)
  })

  it('reach subscribers of both sides with one PUBLISH, and count those of the authority', async () => {
    const [through, onSource, onTarget] = [await connect(), await connect(source.port), await connect(target.port)]
    for (const client of [through, onSource, onTarget]) await client.ask('SUBSCRIBE both')
    const publisher = await connect()
    expect(await publisher.ask('PUBLISH both once')).toBe(':2\r\n')
    const message = `*3\r\n${bulk('message')}${bulk('both')}${bulk('once')}`
    for (const client of [through, onSource, onTarget]) expect(await client.take(1)).toEqual([message])
    expect(await publisher.pipeline(['PUBSUB NUMSUB both', 'PUBSUB CHANNELS bo*'])).toEqual([
      `*2\r\n${bulk('both')}:2\r\n`,
      `*1\r\n${bulk('both')}`,
    ])
    expect(await publisher.pipeline(['MULTI', 'PUBLISH both twice', 'EXEC'])).toEqual(['+OK\r\n', '+QUEUED\r\n', '*1\r\n:2\r\n'])
    for (const client of [through, onTarget]) expect((await client.take(1))[0]).toContain('twice')
    expect([through.received, onSource.received.includes('once'), onTarget.received]).toEqual(['', false, ''])
  })

  it('hear of keys: the authority tells, and only it', async () => {
    const [subscriber, client] = [await connect(), await connect()]
    await subscriber.ask('PSUBSCRIBE __key*__:*')
    await client.pipeline(['SET told 1', 'DEL told'])
    const events = await subscriber.take(4)
    expect(events.map((event) => event.split('\r\n').at(-2))).toEqual(['set', 'told', 'del', 'told'])
    await client.ask('PUBLISH __keyspace@0__:end x')
    expect((await subscriber.take(1))[0]).toContain('__keyspace@0__:end')
  })

  it('are refused where the user has no right to the channel, in order', async () => {
    for (const server of [source, target]) {
      await server.client().call('acl', 'setuser', 'reader', 'on', '>secret', '+@all', '-ping', '~*', 'resetchannels', '&open*')
    }
    const client = await connect()
    const lines = [
      'AUTH reader secret',
      'SUBSCRIBE open1',
      'SUBSCRIBE closed',
      'SUBSCRIBE open2 closed',
      'UNSUBSCRIBE',
      'ECHO end',
    ]
    const replies = await client.pipeline(lines)
    expect(replies[1]).toBe(`*3\r\n${bulk('subscribe')}${bulk('open1')}:1\r\n`)
    for (const refused of replies.slice(2, 4)) expect(refused).toMatch(/^-NOPERM .*channel/)
    expect(replies.slice(4)).toEqual([`*3\r\n${bulk('unsubscribe')}${bulk('open1')}:0\r\n`, bulk('end')])
  })

  it('stay when the user changes; what comes then is the new user’s affair, and both go along with the authority', async () => {
    for (const server of [source, target]) {
      const users = { open: ['>o', '&open*'], other: ['>p', '&other*'] }
      for (const [user, rights] of Object.entries(users))
        await server.client().call('acl', 'setuser', user, 'on', '+@all', '~*', 'resetchannels', ...rights)
    }
    const [through, direct, publisher] = [await connect(), await connect(source.port), await connect()]
    const lines = [
      'AUTH open o',
      'SUBSCRIBE open1 open2',
      'AUTH other p',
      'SUBSCRIBE open3',
      'SUBSCRIBE other1',
      'PSUBSCRIBE other*',
      'UNSUBSCRIBE open2',
      'AUTH open o',
      'SUBSCRIBE other2',
      'SSUBSCRIBE open4',
    ]
    for (const client of [through, direct]) await client.ask('HELLO 3')
    const [replies, expected] = await Promise.all(
      // Two channels in one command are two confirmations.
      [through, direct].map(async (client) => [...(await client.pipeline([...lines, 'ECHO end'])), ...(await client.take(1))]),
    )
    expect(replies).toEqual(expected)
    expect(replies?.filter((reply) => reply.startsWith('-NOPERM'))).toHaveLength(2)
    await ferry.backfill()
    try {
      await ferry.step('cutover')
      for (const [channel, heard] of [
        ['open1', 1],
        ['open2', 0],
        ['other1', 2],
        ['other2', 1],
      ] as const) {
        await publisher.ask(`PUBLISH ${channel} x`)
        expect((await through.take(heard)).join('')).toContain(heard > 0 ? channel : '')
      }
      await publisher.ask('SPUBLISH open4 last')
      expect((await through.take(1))[0]).toContain('last')
      expect(through.received).toBe('')
    } finally {
      await ferry.step('rollback')
    }
  })

  it.each(['redis-8.0', 'valkey-9.1'])('hear of what they publish themselves where a server tells it (%s)', async (engine) => {
    if (engineMissing(engine)) return
    const servers = await Promise.all([startRedis({ engine }), startRedis({ engine })])
    const [one, two] = servers as [RedisServer, RedisServer]
    const other = await Ferry.start({ source: one.url, target: two.url })
    try {
      for (let i = 0; i < 5; i++) {
        const [through, direct] = [await connect(other.port), await connect(one.port)]
        const answers = [through, direct].map(async (client, n) => {
          await client.pipeline(['HELLO 3', `SUBSCRIBE own${n}`])
          const lines = [
            'PUBLISH own x',
            'GET n',
            'PUBLISH own x',
            'PUBLISH own y',
            'MULTI',
            'PUBLISH own z',
            'EXEC',
            'PUBLISH none a',
          ]
          const got = await client.pipeline(lines.map((line) => line.replace('own', `own${n}`)))
          return [...got, ...(await client.take(4))].join('').replaceAll(`own${n}`, 'own')
        })
        const [got, expected] = await Promise.all(answers)
        expect(got).toBe(expected)
      }
    } finally {
      await other.dispose()
      await Promise.all(servers.map((server) => server.stop()))
    }
  })

  it('are told in CLIENT INFO, and given back when the last one is gone, on RESET, and with the client', async () => {
    await until(async () => (await subscribedConnections(source)) === 0, {
      what: `other tests to be over: ${await source.client().call('client', 'list', 'type', 'pubsub')}`,
    })
    const client = await connect()
    await client.ask('HELLO 3')
    expect(await client.ask('CLIENT INFO')).toContain(' flags=N db=0 sub=0 psub=0 ssub=0 ')
    await client.pipeline(['SUBSCRIBE a', 'PSUBSCRIBE b*', 'SSUBSCRIBE c'])
    expect(await client.ask('CLIENT INFO')).toContain(' flags=P db=0 sub=1 psub=1 ssub=1 ')
    expect(await subscribedConnections(source)).toBe(1)
    await client.pipeline(['UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE'])
    await until(async () => (await subscribedConnections(source)) === 0, { what: 'the connection to be given back' })
    await client.ask('SUBSCRIBE a')
    expect(await client.ask('RESET')).toBe('+RESET\r\n')
    await until(async () => (await subscribedConnections(source)) === 0, { what: 'the connection to be closed by RESET' })
    await client.ask('SUBSCRIBE a')
    client.vanish()
    await until(async () => (await subscribedConnections(source)) === 0, { what: 'the connection to go with its client' })
  })

  it('are refused inside MULTI, which is then spoilt', async () => {
    const client = await connect()
    const replies = await client.pipeline(['MULTI', 'SUBSCRIBE a', 'EXEC', 'PING'])
    expect(replies[1]).toMatch(/^-ERR FERRY unsupported: 'subscribe' inside MULTI/)
    expect(replies.slice(2)).toEqual(['-EXECABORT Transaction discarded because of previous errors.\r\n', '+PONG\r\n'])
  })

  it('cut off a subscriber that does not read, and nobody else', async () => {
    const [slow, other, publisher] = [await connect(), await connect(), await connect()]
    for (const client of [slow, other]) await client.ask('SUBSCRIBE much')
    slow.socket.pause()
    const payload = 'x'.repeat(100_000)
    let published = 0
    // The kernel takes some megabytes before anything piles up.
    for (; published < 400; published++) {
      const heard = await publisher.call('PUBLISH', 'much', payload)
      if (heard === ':1\r\n') break
      await other.take(1)
    }
    expect(published).toBeLessThan(400)
    await other.take(1)
    expect(await publisher.call('PUBLISH', 'much', 'still there')).toBe(':1\r\n')
    expect((await other.take(1))[0]).toContain('still there')
  })

  it('end with the client when the connection to the authority is lost, so that it does not wait for what it missed', async () => {
    const [subscriber, other] = [await connect(), await connect()]
    await subscriber.ask('SUBSCRIBE gone')
    await other.ask('PUBLISH gone before')
    await source.client().call('client', 'kill', 'type', 'pubsub')
    await subscriber.untilClosed()
    expect(subscriber.received).toContain('before')
    expect(await other.ask('PING')).toBe('+PONG\r\n')
  })
})
