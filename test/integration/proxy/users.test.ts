/** Several users at once: each has lanes of its own, so nothing but Ferry keeps their writes in one order on both sides. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { WireClient } from '../../support/wire-client.ts'

const args = [
  '--requirepass',
  'geheim',
  '--user',
  'anna',
  'on',
  '>a',
  '~*',
  '&*',
  '+@all',
  '--user',
  'bert',
  'on',
  '>b',
  '~*',
  '&*',
  '+@all',
]
let source: RedisServer
let target: RedisServer
let ferry: Ferry

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis({ args }), startRedis({ args: ['--requirepass', 'anders'] })])
  ferry = await Ferry.start({
    source: { url: source.url, password: 'geheim' },
    target: { url: target.url.replace('//', '//:anders@') },
  })
  await ferry.backfill()
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

async function as(line: string): Promise<WireClient> {
  const client = await WireClient.open(ferry.port)
  expect(await client.ask(line)).toBe('+OK\r\n')
  return client
}

const value = (server: RedisServer, password: string, key: string): Promise<string | null> => server.client({ password }).get(key)

describe('two users of one key', () => {
  it('both get on, and both sides end up alike', async () => {
    const bert = await as('AUTH bert b')
    let over = false
    const floods = await Promise.all(Array.from({ length: 4 }, () => as('AUTH anna a')))
    // Several, so that there is always something of hers under way.
    const flooding = floods.map(async (client) => {
      let sent = 0
      for (; !over; sent += 50) await client.pipeline(Array.from({ length: 50 }, () => 'INCR hot'))
      return sent
    })
    const turns = 40
    for (let i = 0; i < turns; i++) await bert.pipeline([`APPEND log ${i}.`, 'INCR hot', 'XADD stream * f v'], 2_000)
    over = true
    const total = (await Promise.all(flooding)).reduce((sum, sent) => sum + sent, turns)
    await ferry.untilSettled()
    expect(await value(source, 'geheim', 'hot')).toBe(String(total))
    expect(await value(target, 'anders', 'hot')).toBe(String(total))
    for (const client of [...floods, bert]) client.close()
  }, 20_000)

  it('a FLUSHALL of one comes before or after each write of the other, on both sides alike', async () => {
    const [anna, bert] = [await as('AUTH anna a'), await as('AUTH bert b')]
    for (let round = 0; round < 30; round++) {
      const writes = Array.from({ length: 40 }, (_, i) => `SET k:${round}:${i} ${i}`)
      await Promise.all([anna.pipeline(writes), bert.ask('FLUSHALL')])
    }
    await ferry.untilSettled()
    const sizes = [await source.client({ password: 'geheim' }).dbsize(), await target.client({ password: 'anders' }).dbsize()]
    expect(sizes[0]).toBe(sizes[1])
    for (const client of [anna, bert]) client.close()
  }, 20_000)
})

describe('credentials that Ferry has for the target alone', () => {
  const strangers: [string, RegExp][] = [
    ['GET k', /^-NOAUTH /],
    ['SET k 1', /^-NOAUTH /],
    ['AUTH wrong', /^-WRONGPASS /],
    ['AUTH anna wrong', /^-WRONGPASS /],
    ['HELLO 3', /^-NOAUTH /],
  ]

  it('let nobody in whom the source does not know, before the cut-over and after it', async () => {
    for (const phase of ['mirror', 'cutover'] as const) {
      if (phase === 'cutover') await ferry.step('cutover')
      for (const [line, refusal] of strangers) {
        const client = await WireClient.open(ferry.port)
        expect(await client.ask(line), `${line} in phase ${phase}`).toMatch(refusal)
        client.close()
      }
      const known = await as('AUTH anna a')
      expect(await known.pipeline(['SET k 1', 'GET k'])).toEqual(['+OK\r\n', '$1\r\n1\r\n'])
      known.close()
    }
  })
})

describe('wrong passwords', () => {
  it('of clients that do not wait for the answer do not use up the places of others', async () => {
    const gone: WireClient[] = []
    for (let i = 0; i < 300; i++) {
      const client = await WireClient.open(ferry.port)
      gone.push(client)
      client.write(`AUTH wrong${i}\r\n`)
      // Its lanes are being opened: the refusal is not there yet.
      if (i % 10 === 9) for (const one of gone.splice(0)) one.vanish()
    }
    const known = await as('AUTH bert b')
    expect(await known.ask('PING')).toBe('+PONG\r\n')
    known.close()
  }, 20_000)
})
