/** node-redis in both protocols, and with its cache on the client's side, which lives on CLIENT TRACKING. */
import { createClient, WatchError } from 'redis'
import { type Program, seen } from './program.ts'

const open = (port: number, RESP: 2 | 3) => createClient({ RESP, socket: { port, host: '127.0.0.1', reconnectStrategy: false } })

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function session(RESP: 2 | 3): Program {
  return {
    name: `node-redis, RESP${RESP}`,
    async run(port) {
      const [client, other, subscriber] = [open(port, RESP), open(port, RESP), open(port, RESP)]
      const errors: string[] = []
      for (const each of [client, other, subscriber]) each.on('error', (error: Error) => errors.push(error.message))
      try {
        await Promise.all([client.connect(), other.connect(), subscriber.connect()])
        await client.flushAll()
        const got: unknown[] = []
        await subscriber.subscribe('news', (text, channel) => got.push([channel, text]))
        await subscriber.pSubscribe('n?ws', (text, channel) => got.push([channel, text]))
        const receivers = await client.publish('news', 'hello')
        await until(() => got.length === 2)
        await subscriber.unsubscribe()
        await subscriber.pUnsubscribe()
        await client.hSet('h', { a: '1', b: '2' })
        await client.zAdd('z', [
          { score: 1.5, value: 'a' },
          { score: 2, value: 'b' },
        ])
        const popped = other.blPop('queue', 5)
        await client.rPush('queue', 'job')
        const watching = open(port, RESP)
        watching.on('error', (error: Error) => errors.push(error.message))
        await watching.connect()
        await watching.watch('n')
        await client.set('n', '5')
        const lost = await watching
          .multi()
          .set('n', '6')
          .exec()
          .catch((error: unknown) => error instanceof WatchError)
        const kept = await watching.multi().incr('n').get('n').exec()
        watching.destroy()
        const keys: string[] = []
        for await (const page of client.scanIterator({ COUNT: 10 })) keys.push(...page)
        return [
          receivers,
          got.sort(),
          await client.hGetAll('h'),
          await client.zRangeWithScores('z', 0, -1),
          await popped,
          lost,
          kept,
          keys.sort(),
          await client.set('e', '1', { expiration: { type: 'EX', value: 100 } }),
          await client.eval("return redis.call('INCR', KEYS[1])", { keys: ['n'] }),
          await seen(client.lPush('h', 'x')),
          await client.type('h'),
          errors,
        ]
      } finally {
        for (const each of [client, other, subscriber]) each.destroy()
      }
    },
  }
}

const cached: Program = {
  name: 'node-redis with client-side caching',
  async run(port) {
    const client = createClient({
      RESP: 3,
      socket: { port, host: '127.0.0.1', reconnectStrategy: false },
      clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' },
    })
    const writer = open(port, 3)
    const errors: string[] = []
    for (const each of [client, writer]) each.on('error', (error: Error) => errors.push(error.message))
    try {
      await Promise.all([client.connect(), writer.connect()])
      await writer.set('cached', 'one')
      const first = [await client.get('cached'), await client.get('cached'), await client.get('cached')]
      const before = client.clientSideCache?.stats()
      await writer.set('cached', 'two')
      await until(async () => (await client.get('cached')) === 'two')
      await writer.hSet('map', 'a', '1')
      const map = [await client.hGetAll('map'), await client.hGetAll('map')]
      await writer.del('map')
      await until(async () => Object.keys(await client.hGetAll('map')).length === 0)
      return [first, before?.hitCount, before?.missCount, map, errors]
    } finally {
      client.destroy()
      writer.destroy()
    }
  },
}

export const nodeRedisPrograms: readonly Program[] = [session(2), session(3), cached]
