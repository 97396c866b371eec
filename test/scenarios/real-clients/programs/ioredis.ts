/** A long session of ioredis, which versions 5 and 6 can both run. */
import { once } from 'node:events'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { type Program, seen } from './program.ts'

type Client = Redis

async function values(client: Client): Promise<unknown[]> {
  return [
    await client.set('user:1', 'Ada', 'EX', 1_000),
    await client.set('user:1', 'Eve', 'NX'),
    await client.get('user:1'),
    (await client.ttl('user:1')) > 900,
    await client.hset('h', { a: '1', b: '2' }),
    await client.hgetall('h'),
    await client.hincrbyfloat('h', 'a', 1.5),
    await client.incrbyfloat('f', '0.1'),
    await client.rpush('l', 'a', 'b', 'c'),
    await client.lrange('l', 0, -1),
    await client.zadd('z', 1, 'one', 2.5, 'two'),
    await client.call('ZRANGE', 'z', 0, -1, 'WITHSCORES'),
    await client.zscore('z', 'two'),
    await client.sadd('s', 'x', 'y', 'z'),
    (await client.smembers('s')).sort(),
    await client.spop('s').then((member) => 'xyz'.includes(String(member))),
    await client.scard('s'),
    await client.pfadd('hll', 'a', 'b'),
    await client.pfcount('hll'),
    await client.setbit('bits', 9, 1),
    await client.bitcount('bits'),
    await client.geoadd('geo', 13.36, 38.11, 'Palermo'),
    await client.getBuffer('bits'),
    await client.mset('m1', '1', 'm2', '2'),
    await client.mget('m1', 'nothing', 'm2'),
    await client.getdel('m1'),
    await client.exists('m1', 'm2'),
    await client.copy('m2', 'm3'),
    await client.rename('m3', 'm4'),
    await client.object('ENCODING', 'l'),
    await seen(client.incr('l')),
    await seen(client.call('NO-SUCH-COMMAND', 'x')),
    await seen(client.call('GET')),
  ]
}

async function transactions(client: Client, other: Client): Promise<unknown[]> {
  const results: unknown[] = []
  results.push(await client.multi().incr('n').incr('n').get('n').exec())
  await client.watch('n')
  await other.incr('n')
  results.push(await client.multi().set('n', 'lost').exec())
  await client.watch('n')
  results.push(
    await client
      .multi()
      .incr('n')
      .spop('s')
      .exec()
      .then((replies) => replies?.length),
  )
  results.push(await seen(client.multi().call('NO-SUCH-COMMAND').incr('n').exec()))
  results.push(await client.get('n'))
  return results
}

async function streams(client: Client): Promise<unknown[]> {
  await client.xgroup('CREATE', 'events', 'group', '$', 'MKSTREAM')
  const id = String(await client.xadd('events', '*', 'kind', 'first'))
  await client.xadd('events', 'MAXLEN', '~', '1000', '*', 'kind', 'second')
  const read = (await client.xreadgroup('GROUP', 'group', 'me', 'COUNT', 10, 'STREAMS', 'events', '>')) as [
    string,
    [string, string[]][],
  ][]
  return [
    /^\d+-\d+$/.test(id),
    read.map(([name, entries]) => [name, entries.map(([, fields]) => fields)]),
    await client.xack('events', 'group', id),
    ((await client.xpending('events', 'group')) as unknown[])[0],
    await client.xlen('events'),
  ]
}

async function blocking(client: Client, other: Client): Promise<unknown[]> {
  const popped = other.blpop('queue', 'other-queue', 5)
  await client.rpush('queue', 'job')
  const moved = other.blmove('from', 'to', 'LEFT', 'RIGHT', 5)
  await client.rpush('from', 'thing')
  return [
    await popped,
    await moved,
    await client.blpop('nothing-here', 0.05),
    await client.bzpopmin('z', 1),
    await client.wait(0, 10),
  ]
}

async function published(client: Client, subscriber: Client): Promise<unknown[]> {
  const got: unknown[] = []
  subscriber.on('message', (channel: string, text: string) => got.push([channel, text]))
  subscriber.on('pmessage', (pattern: string, channel: string, text: string) => got.push([pattern, channel, text]))
  const counts = [await subscriber.subscribe('news', 'sport'), await subscriber.psubscribe('n*')]
  const receivers = [
    await client.publish('news', 'hello'),
    await client.publish('sport', 'goal'),
    await client.publish('none', 'x'),
  ]
  await until(() => got.length >= 3)
  return [counts, receivers, got, await subscriber.unsubscribe('news', 'sport'), await subscriber.punsubscribe('n*')]
}

async function scripts(client: Client): Promise<unknown[]> {
  const source = "redis.call('INCRBY', KEYS[1], ARGV[1]) return {redis.call('GET', KEYS[1]), 1.9, false, {ok='FINE'}}"
  const sha = String(await client.script('LOAD', source))
  client.defineCommand('addTo', { numberOfKeys: 1, lua: source })
  const scripted = client as unknown as { addTo(key: string, by: number): Promise<unknown> }
  return [
    sha,
    await client.evalsha(sha, 1, 'scripted', 3),
    await scripted.addTo('scripted', 4),
    await client.script('EXISTS', sha, '0'.repeat(40)),
    await seen(client.evalsha('f'.repeat(40), 0)),
    await seen(client.eval("return redis.error_reply('MINE it is')", 0)),
  ]
}

async function scans(client: Client): Promise<unknown[]> {
  const pipeline = client.pipeline()
  for (let n = 0; n < 500; n++) pipeline.set(`scan:${n}`, n)
  await pipeline.exec()
  const keys = new Set<string>()
  for await (const page of client.scanStream({ match: 'scan:*', count: 50 })) for (const key of page as string[]) keys.add(key)
  const fields = new Set<string>()
  for await (const page of client.hscanStream('h')) for (const field of page as string[]) fields.add(field)
  return [keys.size, [...fields].sort(), await client.dbsize()]
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('what was published did not arrive')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function program(name: string, make: (port: number) => Client): Program {
  return {
    name,
    async run(port) {
      const clients = [make(port), make(port), make(port)] as const
      const [client, other, subscriber] = clients
      try {
        await client.flushall()
        const results = [
          await values(client),
          await transactions(client, other),
          await streams(client),
          await blocking(client, other),
          await published(client, subscriber),
          await scripts(client),
          await scans(client),
          await client.client('SETNAME', 'me'),
          await client.client('GETNAME'),
          (await client.info()).includes('redis_version'),
          await client.select(1),
          await client.dbsize(),
        ]
        const ended = once(client, 'end')
        await client.quit()
        await ended
        return results
      } finally {
        for (const each of clients) each.disconnect()
      }
    },
  }
}

export const ioredisPrograms: readonly Program[] = [
  program('ioredis 6, RESP2', (port) => new Redis({ port, protocol: 2, maxRetriesPerRequest: 0 })),
  program('ioredis 6, RESP3', (port) => new Redis({ port, protocol: 3, maxRetriesPerRequest: 0 })),
  program('ioredis 5', (port) => new Redis5({ port, maxRetriesPerRequest: 0 }) as unknown as Client),
]
