/** Commands that a cluster takes apart, or knows for each of its servers alone: their answers are those of one server with the same data. */
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SidesBehind, sidesBehind } from '../../../src/cluster/sides.ts'
import { connectClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Turn } from '../../../src/upstream/turn.ts'
import { type RedisCluster, startCluster } from '../../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let cluster: RedisCluster
let server: RedisServer
let behind: SidesBehind
let whole: Redis
let single: Redis

beforeAll(async () => {
  ;[cluster, server] = await Promise.all([startCluster(), startRedis()])
  behind = sidesBehind({ source: parseEndpoint(cluster.url), target: parseEndpoint(server.url) }, new Turn())
  whole = await connectClient(behind.source.endpoint, 'test')
  single = await connectClient(behind.target.endpoint, 'test')
}, 60_000)

afterAll(async () => {
  whole?.disconnect()
  single?.disconnect()
  behind?.stop()
  await Promise.all([cluster?.stop(), server?.stop()])
})

type Words = readonly (string | number)[]

const ask = (client: Redis, [name, ...args]: Words): Promise<unknown> =>
  client.call(String(name), ...args.map(String)).catch((error: Error) => `error: ${error.message}`)

const alike: readonly Words[] = [
  ['MSET', 'a', '1', 'b', '2', 'c', '3', 'd', '4', 'e', '5', 'f', '6', 'a', '7'],
  ['MGET', 'a', 'b', 'nothing', 'c', 'd', 'e', 'f', 'a'],
  ['EXISTS', 'a', 'b', 'a', 'nothing', 'c'],
  ['TOUCH', 'a', 'b', 'nothing'],
  ['DEL', 'a', 'a', 'b', 'nothing'],
  ['UNLINK', 'c', 'd'],
  ['DBSIZE'],
  ['MSET', '{t}1', 'x', '{t}2', 'y'],
  ['RENAME', '{t}1', '{t}3'],
  ['MGET', '{t}1', '{t}2', '{t}3'],
  ['MGET'],
  ['SELECT', '0'],
  ['PING'],
  ['ECHO', 'word'],
  ['WAIT', '0', '0'],
  ['SCRIPT', 'LOAD', 'return 1'],
  ['EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', '1', 'any'],
  ['EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', '1', 'other'],
  ['EVAL', "return redis.call('GET', KEYS[1])", '1', 'e'],
  ['CONFIG', 'SET', 'hz', '20'],
  ['PUBLISH', 'channel', 'word'],
  ['SPUBLISH', 'channel', 'word'],
  ['OBJECT', 'ENCODING', 'e'],
  ['NOSUCHCOMMAND', 'x'],
  ['FLUSHALL'],
  ['DBSIZE'],
  ['RANDOMKEY'],
  ['KEYS', '*'],
]

describe('a cluster', () => {
  test.each(alike.map((words) => [words.join(' '), words] as const))('answers $0 as one server', async (_, words) => {
    expect(await ask(whole, words)).toEqual(await ask(single, words))
  })

  test('is scanned whole, by pages', async () => {
    const names = Array.from({ length: 3_000 }, (_, i) => `key:${i}`)
    await Promise.all(names.map((name) => whole.set(name, name)))
    const found: string[] = []
    let cursor = '0'
    let pages = 0
    do {
      const [next, keys] = await whole.scan(cursor, 'MATCH', 'key:*', 'COUNT', 50)
      found.push(...keys)
      cursor = next
      pages++
    } while (cursor !== '0')
    expect([...new Set(found)].sort()).toEqual(names.sort())
    expect(pages).toBeGreaterThan(30)
    expect((await whole.keys('key:*')).sort()).toEqual(names)
    expect(await whole.info('keyspace')).toContain('db0:keys=3000,expires=0,')
    expect(names).toContain(await whole.randomkey())
    expect(await ask(whole, ['SCAN', 'x'])).toBe('error: ERR invalid cursor')
  })

  test('keeps the order of replies of many servers', async () => {
    const numbers = Array.from({ length: 2_000 }, (_, i) => i)
    const replies = await Promise.all(
      numbers.map((i) => whole.echo(String(i)).then(async (echo) => [echo, await whole.get(`key:${i}`)])),
    )
    expect(replies).toEqual(numbers.map((i) => [String(i), `key:${i}`]))
    const pipeline = whole.pipeline()
    for (const i of numbers) pipeline.get(`key:${i}`).echo(String(i))
    const answers = (await pipeline.exec()) ?? []
    expect(answers.map(([, reply]) => reply)).toEqual(numbers.flatMap((i) => [`key:${i}`, String(i)]))
  })

  test('runs a block whose keys lie in one slot, and says as a cluster why it does not run others', async () => {
    expect(await whole.multi().incr('{n}1').incr('{n}2').exec()).toEqual([
      [null, 1],
      [null, 1],
    ])
    await expect(whole.multi().incr('{n}1').incr('m').exec()).rejects.toThrow('EXECABORT')
    expect(await whole.mget('{n}1', 'm')).toEqual(['1', null])
    expect(await ask(whole, ['RENAME', 'key:1', 'key:2'])).toBe("error: CROSSSLOT Keys in request don't hash to the same slot")
    expect(await ask(whole, ['SELECT', '1'])).toBe('error: ERR SELECT is not allowed in cluster mode')
  })

  test('watches', async () => {
    const watcher = await connectClient(behind.source.endpoint, 'watcher')
    await watcher.watch('{w}1')
    await whole.set('{w}1', 'changed')
    expect(await watcher.multi().set('{w}2', 'x').exec()).toBeNull()
    await watcher.watch('{w}1')
    expect(await watcher.multi().set('{w}2', 'x').exec()).toEqual([[null, 'OK']])
    await watcher.watch('{w}1')
    await expect(watcher.multi().set('elsewhere', 'x').exec()).rejects.toThrow('EXECABORT')
    expect(await watcher.unwatch()).toBe('OK')
    watcher.disconnect()
  })

  test('tells of messages and of keyspace events on every server, once', async () => {
    const heard: string[] = []
    const listener = await connectClient(behind.source.endpoint, 'listener')
    listener.on('pmessage', (_pattern, channel, message) => heard.push(`${channel} ${message}`))
    listener.on('message', (channel, message) => heard.push(`${channel} ${message}`))
    await whole.config('SET', 'notify-keyspace-events', 'E$')
    await listener.psubscribe('__keyevent@*__:set')
    await listener.subscribe('news')
    const names = Array.from({ length: 20 }, (_, i) => `told:${i}`)
    for (const name of names) await whole.set(name, 'x')
    await whole.publish('news', 'word')
    await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(names.length + 1)
    expect(heard.sort()).toEqual([...names.map((name) => `__keyevent@0__:set ${name}`), 'news word'].sort())
    listener.disconnect()
  })

  test('takes values that come in many pieces', async () => {
    const large = 'x'.repeat(3_000_000)
    expect(await whole.mset('large:1', large, 'large:2', 'small')).toBe('OK')
    expect(await whole.strlen('large:1')).toBe(large.length)
    expect(await whole.get('large:1')).toBe(large)
  })
})
