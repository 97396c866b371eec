/**
 * Scripts on a cluster. The client: gets what its script says, whatever that is, and no redirection that a server gave it. The cluster: has
 * run every script once, also those that say what a server says of a command that it has not run.
 */
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SidesBehind, sidesBehind } from '../../../src/cluster/sides.ts'
import { connectClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Turn } from '../../../src/upstream/turn.ts'
import { Ferry } from '../../support/ferry.ts'
import { type ClusterNode, type RedisCluster, slotOfKey, startCluster } from '../../support/redis-cluster.ts'
import { engineNames, type RedisServer, startRedis } from '../../support/redis-server.ts'

const sayAfterIncrement = "redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])"
const library = `#!lua name=say
redis.register_function('say', function(keys, args) redis.call('INCR', keys[1]) return redis.error_reply(args[1]) end)`
const increment = "return redis.call('INCR', KEYS[1])"
const count = "redis.call('INCR', KEYS[1]) return redis.call('EXISTS', KEYS[1], KEYS[2])"

const outcome = (sent: Promise<unknown>): Promise<unknown> => sent.catch((error: Error) => error.message)

const nowhere = parseEndpoint('redis://127.0.0.1:1')

async function elsewhere(cluster: RedisCluster, slot: number): Promise<[from: ClusterNode, to: ClusterNode]> {
  const from = await cluster.primaryOf(slot)
  const [to] = (await cluster.primaries()).filter((node) => node !== from)
  if (to === undefined) throw new Error('a cluster of one')
  return [from, to]
}

/** Texts that a server says of what it has not run. */
async function refusalsOf(cluster: RedisCluster, key: string): Promise<string[]> {
  const slot = slotOfKey(key)
  const [, to] = await elsewhere(cluster, slot)
  return [
    `MOVED ${slot} 127.0.0.1:${to.port}`,
    `ASK ${slot} 127.0.0.1:${to.port}`,
    'TRYAGAIN Multiple keys request during rehashing of slot',
    "READONLY You can't write against a read only replica.",
  ]
}

/** All of them where there is time. */
const engines = process.env.FERRY_TESTS === 'all' ? ['PATH', ...engineNames()] : ['PATH']

describe.each(engines)('on %s', (engine) => {
  let cluster: RedisCluster
  let behind: SidesBehind
  let client: Redis

  beforeAll(async () => {
    cluster = await startCluster(engine === 'PATH' ? {} : { engine })
    behind = sidesBehind({ source: parseEndpoint(cluster.url), target: nowhere }, new Turn())
    client = await connectClient(behind.source.endpoint, 'test')
  }, 60_000)

  afterAll(async () => {
    client?.disconnect()
    behind?.stop()
    await cluster?.stop()
  })

  test('a script that says what a server says of a redirected command has run once', async () => {
    const sha = String(await client.script('LOAD', sayAfterIncrement))
    await client.function('LOAD', library)
    for (const said of await refusalsOf(cluster, '{forged}')) {
      const ways: ((key: string) => Promise<unknown>)[] = [
        (key) => outcome(client.eval(sayAfterIncrement, 1, key, said)),
        (key) => outcome(client.evalsha(sha, 1, key, said)),
        (key) => outcome(client.fcall('say', 1, key, said)),
        async (key) => {
          const replies = await client.multi().eval(sayAfterIncrement, 1, key, said).exec()
          return replies?.[0]?.[0]?.message
        },
        async (key) => {
          const [first, second] = await Promise.all([
            client.incr(`${key}+`),
            outcome(client.eval(sayAfterIncrement, 1, key, said)),
          ])
          expect(first).toBe(1)
          return second
        },
      ]
      for (const [i, way] of ways.entries()) {
        const key = `{forged}${said}${i}`
        expect(await way(key)).toBe(said)
        expect(await client.get(key)).toBe('1')
      }
    }
  })

  test('a script for a slot that is on its way, or has gone, runs once where its keys are', { timeout: 30_000 }, async () => {
    const [here, gone] = ['{moving}1', '{moving}2']
    const slot = slotOfKey(here)
    const [, to] = await elsewhere(cluster, slot)
    expect(await client.eval(count, 2, here, gone)).toBe(1)
    expect(await client.eval(increment, 1, gone)).toBe(1)
    await cluster.beginMigration(slot, to)
    // ASK, for a key that is there, and for one that has never been anywhere.
    await cluster.moveKeys(slot)
    expect(await client.eval(increment, 1, here)).toBe(2)
    expect(await client.eval(increment, 1, '{moving}3')).toBe(1)
    expect(await client.fcall('say', 1, here, 'MOVED 1 h:1').catch((error: Error) => error.message)).toBe('MOVED 1 h:1')
    // MOVED.
    await cluster.finishMigration(slot)
    const replies = await Promise.all(Array.from({ length: 100 }, () => client.eval(increment, 1, here)))
    expect(replies).toEqual(Array.from({ length: 100 }, (_, i) => i + 4))
    expect(await to.client.mget(here, gone, '{moving}3')).toEqual(['103', '1', '1'])
  })

  test('a script on keys of which some have gone runs once all of them have', { timeout: 30_000 }, async () => {
    const [one, other] = ['{half}1', '{half}2']
    const slot = slotOfKey(one)
    const [, to] = await elsewhere(cluster, slot)
    await client.mset(one, '5', other, '5')
    await cluster.beginMigration(slot, to)
    expect(await cluster.moveKeys(slot, 1)).toBe(1)
    const waiting = client.eval(count, 2, one, other)
    await cluster.moveKeys(slot)
    expect(await waiting).toBe(2)
    await cluster.finishMigration(slot)
    expect(await to.client.get(one)).toBe('6')
  })

  test('a script without keys, a long answer, and an answer of nothing come as they are', async () => {
    expect(await client.eval("return {1, 'x', {}}", 0)).toEqual([1, 'x', []])
    expect(await client.eval('return nil', 0)).toBeNull()
    const long = String(await client.eval("return string.rep('x', 3000000)", 1, 'long'))
    expect(long.length).toBe(3_000_000)
    expect(await outcome(client.evalsha('0'.repeat(40), 1, 'none'))).toMatch(/^NOSCRIPT/)
    expect(await outcome(client.eval('return 1', 2, 'one', 'other'))).toMatch(/^CROSSSLOT/)
  })

  test('a user who may not open a block has its scripts run once all the same', async () => {
    await client.acl('SETUSER', 'plain', 'on', '>secret', '~*', '&*', '+@all', '-@transaction')
    const limited = sidesBehind(
      { source: parseEndpoint(cluster.url.replace('//', '//plain:secret@')), target: nowhere },
      new Turn(),
    )
    const user = await connectClient(limited.source.endpoint, 'test')
    for (const said of await refusalsOf(cluster, '{plain}')) {
      const key = `{plain}${said}`
      expect(await outcome(user.eval(sayAfterIncrement, 1, key, said))).toBe(said)
      expect(await user.get(key)).toBe('1')
    }
    user.disconnect()
    limited.stop()
  })

  test('a script between WATCH and MULTI leaves the watch as it is', async () => {
    const watcher = await connectClient(behind.source.endpoint, 'test')
    const [said = ''] = await refusalsOf(cluster, '{watched}')
    await watcher.watch('{watched}1')
    expect(await outcome(watcher.eval(sayAfterIncrement, 1, '{watched}2', said))).toBe(said)
    expect(await watcher.get('{watched}2')).toBe('1')
    await client.set('{watched}1', 'changed')
    expect(await watcher.multi().incr('{watched}2').exec()).toBeNull()
    watcher.disconnect()
  })
})

describe('through Ferry, the source a cluster', () => {
  let source: RedisCluster
  let target: RedisServer
  let ferry: Ferry

  beforeAll(async () => {
    ;[source, target] = await Promise.all([startCluster(), startRedis()])
    ferry = await Ferry.start({ source: source.url, target: target.url })
  }, 60_000)

  afterAll(async () => {
    await ferry?.dispose()
    await Promise.all([source?.stop(), target?.stop()])
  })

  test('what a script has counted is the same on both sides', async () => {
    const client = await connectClient(parseEndpoint(`redis://127.0.0.1:${ferry.port}`), 'test')
    const keys: string[] = []
    for (const said of await refusalsOf(source, '{counted}')) {
      const key = `{counted}${said}`
      keys.push(key)
      expect(await outcome(client.eval(sayAfterIncrement, 1, key, said))).toBe(said)
    }
    await ferry.untilSettled(20_000)
    expect(await (await source.primaryOf('{counted}')).client.mget(keys)).toEqual(keys.map(() => '1'))
    expect(await target.client().mget(keys)).toEqual(keys.map(() => '1'))
    client.disconnect()
  })
})
