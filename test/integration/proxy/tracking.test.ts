/**
 * Client-side caching through Ferry. What a server can be asked alone is compared with its own bytes; the rest is the promise that no
 * value a client may keep goes stale unheard: over transactions, scripts, lost connections, and a change of the authority.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry
const open: WireClient[] = []

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url })
  await ferry.backfill()
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

beforeEach(async () => {
  await source.client().flushall()
  await target.client().flushall()
})

afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

async function connect(...lines: string[]): Promise<WireClient> {
  const client = await WireClient.open(ferry.port)
  open.push(client)
  await client.pipeline(lines)
  return client
}

const ok = '+OK\r\n'
const invalidate = (...keys: string[]): string => `>2\r\n${bulk('invalidate')}*${keys.length}\r\n${keys.map(bulk).join('')}`
const flush = `>2\r\n${bulk('invalidate')}_\r\n`

/** How many pushes come with the answer to this line. */
async function pushesWith(client: WireClient, line: string): Promise<number> {
  client.write(multibulk(...line.split(' ')) + multibulk('ECHO', 'behind'))
  for (let pushes = 0; ; ) {
    const [reply] = await client.take(1)
    if (reply === bulk('behind')) return pushes
    if (reply?.startsWith('>')) pushes++
  }
}

async function pushed(client: WireClient, bytes: string): Promise<void> {
  await until(() => client.received.includes(bytes), { what: `${JSON.stringify(bytes)} in ${JSON.stringify(client.received)}` })
  await client.take(1)
}

describe('the words of tracking', () => {
  const lines = [
    'CLIENT TRACKINGINFO',
    'CLIENT GETREDIR',
    'CLIENT CACHING YES',
    'CLIENT TRACKING maybe',
    'CLIENT TRACKING ON NONSENSE',
    'CLIENT TRACKING ON REDIRECT 999999999',
    'CLIENT TRACKING ON REDIRECT x',
    'CLIENT TRACKING ON REDIRECT',
    'CLIENT TRACKING ON PREFIX a',
    'CLIENT TRACKING ON OPTIN OPTOUT',
    'CLIENT TRACKING ON BCAST OPTIN',
    'CLIENT TRACKING ON BCAST PREFIX ab PREFIX a',
    'CLIENT TRACKING ON BCAST PREFIX b PREFIX a NOLOOP',
    'CLIENT TRACKINGINFO',
    'CLIENT TRACKING ON BCAST PREFIX aa',
    'CLIENT TRACKING ON BCAST PREFIX q',
    'CLIENT TRACKINGINFO',
    'CLIENT TRACKING ON',
    'CLIENT GETREDIR',
    'CLIENT TRACKING OFF',
    'CLIENT TRACKING ON BCAST',
    'CLIENT TRACKINGINFO',
    'CLIENT TRACKING ON BCAST PREFIX a',
    'CLIENT TRACKING OFF',
    'CLIENT TRACKING ON OPTIN',
    'CLIENT CACHING NO',
    'CLIENT CACHING maybe',
    'CLIENT CACHING YES',
    'CLIENT TRACKINGINFO',
    'GET nothing',
    'CLIENT TRACKINGINFO',
    'CLIENT TRACKING ON OPTOUT',
    'CLIENT TRACKING OFF',
    'CLIENT TRACKING ON OPTOUT',
    'CLIENT CACHING YES',
    'CLIENT CACHING NO',
    'CLIENT TRACKINGINFO',
    'RESET',
    'CLIENT TRACKINGINFO',
    'CLIENT TRACKING',
    'CLIENT CACHING',
  ]

  it.each(['2', '3'])('are a server’s, byte for byte, in RESP%s', async (protocol) => {
    const direct = await WireClient.open(source.port)
    open.push(direct)
    const through = await connect()
    for (const line of [`HELLO ${protocol}`, ...lines]) {
      const [theirs, ours] = [await direct.ask(line), await through.ask(line)]
      if (!line.startsWith('HELLO')) expect([line, ours]).toEqual([line, theirs])
    }
  })
})

describe('a client that tracks', () => {
  it('hears of each key that it has read, when it changes, and once', async () => {
    const [client, other] = [await connect('HELLO 3', 'CLIENT TRACKING ON'), await connect()]
    expect(await client.pipeline(['GET a', 'MGET a b', 'GET c'])).toEqual(['_\r\n', '*2\r\n_\r\n_\r\n', '_\r\n'])
    await other.pipeline(['SET a 1', 'SET a 2', 'SET unread 1'])
    await pushed(client, invalidate('a'))
    expect(client.received).toBe('')
    await other.ask('HSET b f v')
    await pushed(client, invalidate('b'))
  })

  it('hears of a flush, an expiry, and its own writes', async () => {
    const [client, other] = [await connect('HELLO 3', 'CLIENT TRACKING ON'), await connect()]
    await client.ask('GET a')
    await other.ask('FLUSHALL')
    await pushed(client, flush)
    await other.ask('SET short 1 PX 60')
    expect(await client.ask('GET short')).toBe(bulk('1'))
    await pushed(client, invalidate('short'))
    await client.ask('GET own')
    client.write(multibulk('SET', 'own', '1'))
    await until(() => client.received.includes(ok) && client.received.includes(invalidate('own')))
  })

  it('reads its own writes, and not those that come after, in one pipeline', async () => {
    const client = await connect(
      'HELLO 3',
      'CLIENT TRACKING ON BCAST PREFIX never',
      'CLIENT TRACKING OFF',
      'CLIENT TRACKING ON OPTOUT',
    )
    const lines = Array.from({ length: 60 }, (_, n) => [`SET n ${n}`, 'CLIENT CACHING NO', 'GET n', 'INCR n', 'GET n']).flat()
    client.write(lines.map((line) => multibulk(...line.split(' '))).join(''))
    const replies: string[] = []
    while (replies.length < lines.length) replies.push(...(await client.take(1)).filter((reply) => !reply.startsWith('>')))
    expect(replies).toEqual(
      Array.from({ length: 60 }, (_, n) => [ok, ok, bulk(String(n)), `:${n + 1}\r\n`, bulk(String(n + 1))]).flat(),
    )
  })

  it('with OPTIN only of what it asks for, with OPTOUT not of what it declines', async () => {
    const other = await connect()
    const optin = await connect('HELLO 3', 'CLIENT TRACKING ON OPTIN')
    await optin.pipeline(['GET a', 'CLIENT CACHING YES', 'GET b', 'GET c'])
    const optout = await connect('HELLO 3', 'CLIENT TRACKING ON OPTOUT')
    await optout.pipeline(['CLIENT CACHING NO', 'GET a', 'GET b'])
    await other.pipeline(['SET a 1', 'SET c 1', 'SET b 1'])
    await Promise.all([pushed(optin, invalidate('b')), pushed(optout, invalidate('b'))])
    expect([optin.received, optout.received]).toEqual(['', ''])
  })

  it('with BCAST of every key of its prefixes, read or not', async () => {
    const [client, other] = [await connect('HELLO 3', 'CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:'), await connect()]
    await other.pipeline(['SET session:1 x', 'SET user:1 x'])
    await pushed(client, invalidate('user:1'))
    await client.ask('CLIENT TRACKING ON BCAST PREFIX session:')
    await other.ask('SET session:1 x')
    await pushed(client, invalidate('session:1'))
  })

  it('is told not to keep what a transaction or a script has read for it', async () => {
    const client = await connect('HELLO 3', 'CLIENT TRACKING ON')
    await client.pipeline(['MULTI', 'GET a', 'GET b', 'EXEC'])
    await pushed(client, invalidate('a', 'b'))
    await client.call('EVAL', "return redis.call('GET', KEYS[1])", '1', 'c')
    await pushed(client, invalidate('c'))
  })

  it('gets no push inside another reply', async () => {
    const [client, other] = [await connect('HELLO 3', 'CLIENT TRACKING ON BCAST'), await connect()]
    const value = 'v'.repeat(8 << 20)
    await other.call('SET', 'large', value)
    await pushed(client, invalidate('large'))
    for (let n = 0; n < 5; n++) client.write(multibulk('GET', 'large'))
    const writes = Array.from({ length: 300 }, (_, n) => `SET key${n} 1`)
    void other.pipeline(writes)
    const pushes: string[] = []
    let values = 0
    while (values < 5 || pushes.join('').match(/key\d+/g)?.length !== 300) {
      const [reply] = await client.take(1)
      if (reply?.startsWith('>')) pushes.push(reply)
      else {
        expect(reply === bulk(value)).toBe(true)
        values++
      }
    }
  }, 20_000)
})

describe('REDIRECT', () => {
  it('takes the invalidations of a client in RESP2 to another one as messages', async () => {
    const [data, listener, other] = [await connect(), await connect(), await connect()]
    const id = (await listener.ask('CLIENT ID')).slice(1, -2)
    await listener.ask('SUBSCRIBE __redis__:invalidate')
    expect(await data.pipeline([`CLIENT TRACKING ON REDIRECT ${id}`, 'CLIENT GETREDIR', 'GET a', 'GET h'])).toEqual([
      ok,
      `:${id}\r\n`,
      '$-1\r\n',
      '$-1\r\n',
    ])
    await other.ask('SET a 1')
    const message = (keys: string): string => `*3\r\n${bulk('message')}${bulk('__redis__:invalidate')}${keys}`
    await pushed(listener, message(`*1\r\n${bulk('a')}`))
    await other.ask('FLUSHALL')
    await pushed(listener, message('$-1\r\n'))
    expect(data.received).toBe('')
  })

  it('to a client in RESP3 makes pushes of them; where that one is gone, the client is told', async () => {
    const [data, listener, other] = [await connect('HELLO 3'), await connect('HELLO 3'), await connect()]
    const id = (await listener.ask('CLIENT ID')).slice(1, -2)
    expect(await data.pipeline([`CLIENT TRACKING ON REDIRECT ${id}`, 'GET a'])).toEqual([ok, '_\r\n'])
    await other.ask('SET a 1')
    await pushed(listener, invalidate('a'))
    await data.ask('GET a')
    listener.close()
    await until(async () => !(await other.ask('CLIENT LIST')).includes(`id=${id} `))
    await other.ask('SET a 2')
    await pushed(data, `>2\r\n${bulk('tracking-redir-broken')}:${id}\r\n`)
    expect(await data.ask('CLIENT TRACKINGINFO')).toContain(bulk('broken_redirect'))
  })
})

describe('when the connection changes', () => {
  /** Cuts the server's connections that track. */
  async function cut(server: RedisServer): Promise<void> {
    const admin = server.client()
    const list = String(await admin.client('LIST'))
    const ids = [...list.matchAll(/^id=(\d+) .* flags=\w*t\w* /gm)].map(([, id]) => Number(id))
    expect(ids.length).toBeGreaterThan(0)
    for (const id of ids) await admin.client('KILL', 'ID', id)
  }

  it('a lost one costs one flush, and tracking goes on', async () => {
    const [client, other] = [await connect('HELLO 3', 'CLIENT TRACKING ON'), await connect()]
    await client.ask('GET a')
    await cut(source)
    await pushed(client, flush)
    expect(client.received).toBe('')
    // Until the new connection is there, what is read is invalidated at once.
    await until(async () => (await pushesWith(client, 'GET a')) === 0)
    await other.ask('SET a 3')
    await pushed(client, invalidate('a'))
  })

  it('a flip moves tracking to the new authority, with one flush', async () => {
    const [client, other] = [await connect('HELLO 3', 'CLIENT TRACKING ON'), await connect()]
    const bcast = await connect('HELLO 3', 'CLIENT TRACKING ON BCAST PREFIX b')
    await client.ask('GET a')
    await ferry.untilSettled()
    await ferry.step('cutover')
    await Promise.all([pushed(client, flush), pushed(bcast, flush)])
    expect([client.received, bcast.received]).toEqual(['', ''])
    await client.ask('GET a')
    await other.pipeline(['SET a 1', 'SET b 1'])
    await Promise.all([pushed(client, invalidate('a')), pushed(bcast, invalidate('b'))])
    const listed = async (server: RedisServer): Promise<boolean> =>
      / flags=\w*t/.test(String(await server.client().client('LIST')))
    expect(await listed(target)).toBe(true)
    await until(async () => !(await listed(source)), { what: 'the connections to the former authority to be gone' })
    await ferry.step('rollback')
    await Promise.all([pushed(client, flush), pushed(bcast, flush)])
  }, 20_000)

  it('a client that goes leaves no connection behind', async () => {
    const client = await connect('HELLO 3', 'CLIENT TRACKING ON')
    const listed = async (): Promise<boolean> => / flags=\w*t/.test(String(await source.client().client('LIST')))
    expect(await listed()).toBe(true)
    client.vanish()
    await until(async () => !(await listed()), { what: 'its connection to be gone' })
  })
})
