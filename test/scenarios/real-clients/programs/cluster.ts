/** The cluster clients of ioredis and node-redis: they learn the nodes by CLUSTER SLOTS and route by slot. */
import { once } from 'node:events'
import { Cluster, type ClusterOptions, type Redis } from 'ioredis'
import { createCluster } from 'redis'
import { untilSeen } from './patience.ts'
import { type Program, seen } from './program.ts'

const names = Array.from({ length: 60 }, (_, n) => `name:${n}`)

async function scanned(nodes: readonly Redis[]): Promise<string[]> {
  const keys: string[] = []
  for (const node of nodes) for await (const page of node.scanStream({ count: 7 })) keys.push(...(page as string[]))
  return keys.sort()
}

function withIoredis(what: string, options: ClusterOptions): Program {
  return {
    name: `ioredis Cluster, ${what}`,
    async run(port) {
      const errors: string[] = []
      const open = (): Cluster => {
        const cluster = new Cluster([{ host: '127.0.0.1', port }], { shardedSubscribers: true, ...options })
        cluster.on('error', (error: Error) => errors.push(error.message))
        cluster.on('node error', (error: Error) => errors.push(error.message))
        return cluster
      }
      const [client, subscriber] = [open(), open()]
      try {
        await Promise.all([client, subscriber].map((cluster) => once(cluster, 'ready')))
        await Promise.all(client.nodes('master').map((node) => node.flushall()))
        return [await commands(client, subscriber), await messages(client, subscriber), errors]
      } finally {
        client.disconnect()
        subscriber.disconnect()
      }
    },
  }
}

async function commands(client: Cluster, other: Cluster): Promise<unknown[]> {
  await Promise.all(names.map((name, n) => client.set(name, n)))
  const values = await Promise.all(names.map((name) => client.get(name)))
  client.defineCommand('addTwice', {
    numberOfKeys: 1,
    lua: "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[1])",
  })
  const popped = other.brpop('{q}ueue', 5)
  await client.lpush('{q}ueue', 'job')
  return [
    values.join(),
    await client.pipeline().set('{p}1', 1).incr('{p}1').get('{p}1').exec(),
    await client.multi().set('{m}1', 1).incr('{m}1').mget('{m}1', '{m}2').exec(),
    await (client as unknown as { addTwice(key: string): Promise<number> }).addTwice('counter'),
    await popped,
    await client.mset('{t}1', 'a', '{t}2', 'b'),
    await client.del('{t}1', '{t}2', '{t}3'),
    await seen(client.lpush('name:0', 'x')),
    await seen(client.select(1)),
    await Promise.all(client.nodes('master').map((node) => node.readonly())).then((replies) => replies[0]),
    await scanned(client.nodes('master')),
  ]
}

async function messages(client: Cluster, subscriber: Cluster): Promise<unknown> {
  const got: unknown[] = []
  subscriber.on('message', (channel, text) => got.push(['message', channel, text]))
  subscriber.on('pmessage', (pattern, channel, text) => got.push(['pmessage', pattern, channel, text]))
  subscriber.on('smessage', (channel, text) => got.push(['smessage', channel, text]))
  await subscriber.subscribe('news')
  await subscriber.psubscribe('n*s')
  await subscriber.ssubscribe('shard')
  await client.publish('news', 'hello')
  await client.spublish('shard', 'hi')
  await untilSeen('three messages', () => got.length === 3)
  await subscriber.sunsubscribe('shard')
  await subscriber.unsubscribe('news')
  return got.sort()
}

function withNodeRedis(RESP: 2 | 3): Program {
  return {
    name: `node-redis cluster, RESP${RESP}`,
    async run(port) {
      const errors: string[] = []
      const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }], RESP, minimizeConnections: RESP === 2 })
      cluster.on('error', (error: Error) => errors.push(error.message))
      await cluster.connect()
      const each = () => Promise.all(cluster.masters.map((node) => cluster.nodeClient(node)))
      try {
        for (const node of await each()) await node.flushAll()
        await Promise.all(names.map((name, n) => cluster.set(name, `${n}`)))
        const values = await Promise.all(names.map((name) => cluster.get(name)))
        const got: unknown[] = []
        await cluster.subscribe('news', (text, channel) => got.push([channel, text]))
        await cluster.sSubscribe('shard', (text, channel) => got.push([channel, text]))
        await cluster.publish('news', 'hello')
        await cluster.sPublish('shard', 'hi')
        await untilSeen('two messages', () => got.length === 2)
        await cluster.sUnsubscribe('shard')
        await cluster.unsubscribe('news')
        const keys: string[] = []
        for (const node of await each()) for await (const page of node.scanIterator({ COUNT: 7 })) keys.push(...page)
        return [
          values.join(),
          got.sort(),
          keys.sort(),
          await cluster.multi().set('{m}1', '1').incr('{m}1').mGet(['{m}1', '{m}2']).exec(),
          await cluster.mSet({ '{t}1': 'a', '{t}2': 'b' }),
          await cluster.mGet(['{t}1', '{t}2', '{t}3']),
          await cluster.eval("return redis.call('INCR', KEYS[1])", { keys: ['counter'] }),
          await seen(cluster.lPush('name:0', 'x')),
          await cluster.hSet('h', { a: '1', b: '2' }),
          await cluster.hGetAll('h'),
          errors,
        ]
      } finally {
        cluster.destroy()
      }
    },
  }
}

/** A server that takes part in a cluster, or Ferry in cluster mode, is at the port. */
export const clusterPrograms: readonly Program[] = [
  withIoredis('RESP2', {}),
  withIoredis('RESP3, automatic pipelines', { redisOptions: { protocol: 3 }, enableAutoPipelining: true }),
  withIoredis('reads from replicas', { scaleReads: 'slave', slotsRefreshInterval: 100 }),
  withNodeRedis(2),
  withNodeRedis(3),
]
