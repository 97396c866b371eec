import { afterAll, beforeAll, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { WireClient } from '../../support/wire-client.ts'

/** fallback-on-miss before anything is copied: what a write leaves on the target is a part, and must not be served as the whole. */
let source: RedisServer
let target: RedisServer
let ferry: Ferry
let client: WireClient

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url, phase: 'mirror', readMode: 'fallback-on-miss' })
  client = await WireClient.open(ferry.port)
})

afterAll(async () => {
  client.close()
  await ferry.dispose()
  await Promise.all([source.stop(), target.stop()])
})

it.each([
  ['plain', ['HSET h:plain new 1'], 'h:plain'],
  ['in a transaction', ['MULTI', 'HSET h:multi new 1', 'EXEC'], 'h:multi'],
])('a hash written %s has its old fields, too', async (_, commands, key) => {
  await source.client().hset(key, 'old', '1')
  const replies = await client.pipeline([...commands, `HLEN ${key}`])
  expect(replies.at(-1)).toBe(':2\r\n')
  await ferry.untilSettled()
  expect(await target.client().hlen(key)).toBe(2)
})

it('a stream that grew by an effect has its old entries, too', async () => {
  await source.client().xadd('s', '1-1', 'old', '1')
  const replies = await client.pipeline(['XADD s * new 1', 'XLEN s'])
  expect(replies.at(-1)).toBe(':2\r\n')
  await ferry.untilSettled()
  expect(await target.client().xlen('s')).toBe(2)
})
