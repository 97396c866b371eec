/** What else of ioredis applications live on: prefixes, automatic pipelines, sharded channels, MONITOR, functions, stream consumers, large values. */
import { once } from 'node:events'
import { Redis, type RedisOptions } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { untilSeen } from './patience.ts'
import { type Program, seen } from './program.ts'

type Make = (port: number, options?: RedisOptions) => Redis

/** A client with every option that changes what is sent. */
async function withOptions(port: number, make: Make): Promise<unknown[]> {
  const client = make(port, {
    keyPrefix: 'app:',
    enableAutoPipelining: true,
    db: 2,
    connectionName: 'extras',
    stringNumbers: true,
  })
  try {
    const counters = await Promise.all(Array.from({ length: 300 }, (_, n) => client.incr(`counter:${n % 7}`)))
    await Promise.all([client.set('a', '1'), client.get('a'), client.mset({ b: '2', c: '3' })])
    return [
      counters.length,
      await client.mget('counter:0', 'a', 'c', 'nothing'),
      await client.sort('nothing', 'BY', 'nosort'),
      await client.zunionstore('union', 2, 'z1', 'z2'),
      await client.client('GETNAME'),
      await client.dbsize(),
    ]
  } finally {
    client.disconnect()
  }
}

async function expiries(client: Redis): Promise<unknown[]> {
  const near = (ms: number, wanted: number): boolean => ms > wanted - 5_000 && ms <= wanted
  await client.set('e', '1', 'PX', 60_000)
  const results: unknown[] = [near(await client.pttl('e'), 60_000)]
  results.push(await client.expire('e', 100, 'NX'), await client.expire('e', 100, 'GT'), near(await client.pttl('e'), 100_000))
  results.push(await client.set('e', '2', 'KEEPTTL'), near(await client.pttl('e'), 100_000))
  results.push(await client.getex('e', 'EX', 50), near(await client.pttl('e'), 50_000))
  results.push(await client.set('e', '3', 'EX', 30, 'XX', 'GET'), await client.persist('e'), await client.pttl('e'))
  await client.set('short', '1', 'PX', 20)
  await untilSeen('the key to be gone', async () => (await client.exists('short')) === 0)
  results.push(await client.psetex('e', 90_000, 'v'), await client.getset('e', 'w'), await client.pttl('e'))
  return results
}

async function collections(client: Redis): Promise<unknown[]> {
  await client.rpush('l', ...'abcabc')
  await client.zadd('z', 1, 'a', 2, 'b', 3, 'c', 4, 'd')
  await client.sadd('s1', 'a', 'b', 'c')
  await client.sadd('s2', 'b', 'c', 'd')
  await client.hset('h', 'a', 1, 'b', 2)
  return [
    await client.lpos('l', 'c', 'RANK', 2),
    await client.lmpop(2, 'nothing', 'l', 'LEFT', 'COUNT', 2),
    await client.zmpop(1, 'z', 'MAX'),
    await client.linsert('l', 'BEFORE', 'b', 'x'),
    await client.lmove('l', 'moved', 'LEFT', 'RIGHT'),
    await client.zrangestore('ranged', 'z', 0, 1),
    await client.zpopmin('z'),
    await client.sintercard(2, 's1', 's2'),
    await client.sinterstore('both', 's1', 's2'),
    (await client.spop('s1', 2)).length,
    await client.smove('s2', 's1', 'd'),
    ((await client.hrandfield('h', 5)) as string[]).sort(),
    await client.call('BITFIELD', 'bf', 'SET', 'u8', 0, 200, 'OVERFLOW', 'SAT', 'INCRBY', 'u8', 0, 100),
    await client.geoadd('geo', 13.36, 38.11, 'Palermo', 15.08, 37.5, 'Catania'),
    await client.geosearchstore('near', 'geo', 'FROMLONLAT', 15, 37, 'BYRADIUS', 200, 'km', 'ASC'),
    await client.call('SORT', 'l', 'ALPHA', 'DESC', 'STORE', 'sorted'),
    await client.pfmerge('hll', 'hll2'),
    await client
      .dump('h')
      .then(() => client.dumpBuffer('h'))
      .then((payload) => client.restore('h2', 90_000, payload as Buffer)),
    await client.hgetall('h2'),
    await client.move('h2', 3),
    await client.incrbyfloat('f', 0.1),
    await client.setrange('str', 5, 'x'),
  ]
}

/** A consumer group as a worker uses it: blocking reads, a crash, another consumer takes over. */
async function consumers(client: Redis, other: Redis): Promise<unknown[]> {
  await client.xgroup('CREATE', 'jobs', 'workers', '0', 'MKSTREAM')
  const waiting = other.xreadgroup('GROUP', 'workers', 'first', 'COUNT', 10, 'BLOCK', 5_000, 'STREAMS', 'jobs', '>')
  for (let n = 0; n < 20; n++) await client.xadd('jobs', 'MAXLEN', '~', 100, '*', 'n', n)
  const names = (read: unknown): string[] =>
    (read as [string, [string, string[]][]][])[0]?.[1].map(([, fields]) => fields[1] ?? '') ?? []
  const got = names(await waiting)
  while (got.length < 20) {
    got.push(...names(await other.xreadgroup('GROUP', 'workers', 'first', 'COUNT', 7, 'STREAMS', 'jobs', '>')))
  }
  const claimed = (await client.xautoclaim('jobs', 'workers', 'second', 0, '0', 'COUNT', 5)) as [string, [string, string[]][]]
  const ids = claimed[1].map(([id]) => id)
  return [
    got,
    claimed[1].map(([, fields]) => fields),
    await client.xack('jobs', 'workers', ...ids),
    ((await client.xpending('jobs', 'workers')) as unknown[])[0],
    ((await client.xpending('jobs', 'workers', '-', '+', 3)) as unknown[][]).map(([, consumer, , times]) => [consumer, times]),
    await client.xtrim('jobs', 'MAXLEN', 12),
    await client.xlen('jobs'),
    await client.xreadgroup('GROUP', 'workers', 'first', 'BLOCK', 20, 'STREAMS', 'jobs', '>'),
  ]
}

async function shardedChannels(client: Redis, subscriber: Redis): Promise<unknown[]> {
  const got: unknown[] = []
  subscriber.on('smessage', (channel: string, text: string) => got.push([channel, text]))
  subscriber.on('messageBuffer', (channel: Buffer, text: Buffer) => got.push([channel.toString(), text.toString('hex')]))
  await subscriber.ssubscribe('shard')
  await subscriber.subscribe('bytes')
  const receivers = [await client.spublish('shard', 'hello'), await client.publish('bytes', Buffer.from([0, 255, 13, 10]))]
  await untilSeen('both messages', () => got.length === 2)
  return [receivers, got.sort(), await client.pubsub('SHARDNUMSUB', 'shard'), await subscriber.ping('still here')]
}

async function monitored(port: number, make: Make): Promise<unknown[]> {
  const [watcher, client] = [make(port), make(port)]
  // What they say when they connect must not come with the answer to MONITOR: ioredis then takes it for replies, on a server as well.
  await Promise.all([watcher.ping(), client.ping()])
  const monitor = await watcher.monitor()
  const lines: string[][] = []
  monitor.on('monitor', (_time: string, args: string[]) => lines.push(args))
  await client.set('watched', 'a "quoted" value')
  await client.multi().incr('n').get('n').exec()
  const seenSo = () => lines.filter(([name]) => !/^(info|client|hello)$/i.test(name ?? ''))
  await untilSeen('the lines of MONITOR', () => seenSo().some(([name]) => /^exec$/i.test(name ?? '')))
  for (const each of [monitor, watcher, client]) each.disconnect()
  return seenSo().map((args) => args.map((arg) => arg.toLowerCase()))
}

async function libraries(client: Redis): Promise<unknown[]> {
  const code = `#!lua name=extras
    redis.register_function('bump', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)
    redis.register_function{function_name='peek', callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}}`
  return [
    await client.function('LOAD', 'REPLACE', code),
    await client.fcall('bump', 1, 'fn', 5),
    await client.fcall_ro('peek', 1, 'fn'),
    await seen(client.fcall_ro('bump', 1, 'fn', 5)),
    await seen(client.function('LOAD', code)),
    await client.function('DELETE', 'extras'),
    await seen(client.fcall('bump', 1, 'fn', 5)),
  ]
}

async function large(client: Redis): Promise<unknown[]> {
  const value = Buffer.alloc(3_000_000, 'ferry ')
  await client.set('large', value)
  const list = Array.from({ length: 20_000 }, (_, n) => `element:${n}`)
  await client.rpush('long', ...list)
  const replies = (await client.pipeline().get('large').lpush('large', 'x').lrange('long', 0, -1).strlen('large').exec()) ?? []
  return [
    (await client.getBuffer('large'))?.equals(value),
    replies.map(([error, reply]) => error?.message ?? (Array.isArray(reply) ? reply.length : String(reply).length)),
    await client.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, 'scripted', value),
    await client.strlen('scripted'),
  ]
}

/** An operator cuts a client off; it comes back, with its name, database and subscriptions. */
async function comesBack(port: number, client: Redis, make: Make): Promise<unknown[]> {
  const again = { retryStrategy: () => 5, maxRetriesPerRequest: 5, db: 4 }
  const [cut, listener] = [make(port, { ...again, connectionName: 'cut' }), make(port, again)]
  try {
    const got: string[] = []
    listener.on('message', (_channel: string, text: string) => got.push(text))
    await listener.subscribe('again')
    await cut.set('before', '1')
    const ready = Promise.all([once(cut, 'ready'), once(listener, 'ready')])
    const killed = await client.client('KILL', 'ID', Number(await cut.client('ID')))
    const subscribers = await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await ready
    await untilSeen('the subscription to be there again', async () => (await client.publish('again', 'x')) === 1)
    await untilSeen('a message', () => got.length > 0)
    return [killed, subscribers, await cut.get('before'), await cut.client('GETNAME')]
  } finally {
    for (const each of [cut, listener]) each.disconnect()
  }
}

async function refusedLogin(port: number, make: Make): Promise<unknown> {
  const client = make(port, { username: 'nobody', password: 'x', retryStrategy: () => null })
  const errors: string[] = []
  client.on('error', (error: Error) => errors.push(error.message))
  return [await seen(client.ping()), errors]
}

function program(name: string, make: Make): Program {
  return {
    name,
    async run(port) {
      const errors: string[] = []
      const open: Redis[] = []
      const quiet: Make = (at, options) => {
        const client = make(at, { maxRetriesPerRequest: 0, ...options })
        client.on('error', (error: Error) => errors.push(error.message))
        open.push(client)
        return client
      }
      const [client, other, subscriber] = [quiet(port), quiet(port), quiet(port)]
      try {
        await client.flushall()
        return {
          options: await withOptions(port, quiet),
          expiries: await expiries(client),
          collections: await collections(client),
          consumers: await consumers(client, other),
          sharded: await shardedChannels(client, subscriber),
          monitored: await monitored(port, quiet),
          libraries: await libraries(client),
          large: await large(client),
          unknownUser: await refusedLogin(port, make),
          comesBack: await comesBack(port, client, quiet),
          errors,
        }
      } finally {
        for (const each of open) each.disconnect()
      }
    },
  }
}

export const ioredisExtras: readonly Program[] = [
  program('ioredis 6, RESP3, further features', (port, options) => new Redis({ port, protocol: 3, ...options })),
  program('ioredis 5, further features', (port, options) => new Redis5({ port, ...(options as object) }) as unknown as Redis),
]
