/** A session store, rate limiters and distributed locks, as web applications use them. */
import { Redlock } from '@sesamecare-oss/redlock'
import { RedisStore } from 'connect-redis'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible'
import { createClient } from 'redis'
import { type Program, seen } from './program.ts'

const store: Program = {
  name: 'connect-redis',
  async run(port) {
    const client = createClient({ socket: { port, host: '127.0.0.1', reconnectStrategy: false } })
    const errors: string[] = []
    client.on('error', (error: Error) => errors.push(error.message))
    await client.connect()
    try {
      await client.flushAll()
      const sessions = new RedisStore({ client, prefix: 'sess:', ttl: 500 })
      const session = (name: string) => ({ cookie: { originalMaxAge: null }, name }) as never
      for (const id of ['a', 'b', 'c']) await sessions.set(id, session(id))
      await sessions.touch('a', session('a'))
      await sessions.destroy('b')
      const ttl = await client.ttl('sess:a')
      return [
        await sessions.get('a'),
        await sessions.get('b'),
        await sessions.length(),
        (await sessions.ids()).sort(),
        (await sessions.all()).length,
        ttl > 400,
        await sessions.clear(),
        await sessions.length(),
        errors,
      ]
    } finally {
      client.destroy()
    }
  },
}

const limiter: Program = {
  name: 'rate-limiter-flexible',
  async run(port) {
    const client = new Redis({ port, maxRetriesPerRequest: 0 })
    try {
      await client.flushall()
      const limits = [
        new RateLimiterRedis({ storeClient: client, keyPrefix: 'plain', points: 3, duration: 60 }),
        new RateLimiterRedis({ storeClient: client, keyPrefix: 'blocked', points: 2, duration: 60, blockDuration: 60 }),
      ]
      const results: unknown[] = []
      for (const limit of limits) {
        for (let n = 0; n < 4; n++) {
          const outcome = await limit.consume('someone').catch((refused: RateLimiterRes | Error) => refused)
          results.push(outcome instanceof Error ? outcome.message : [outcome.consumedPoints, outcome.remainingPoints])
        }
        results.push((await limit.get('someone'))?.consumedPoints, await limit.delete('someone'), await limit.get('someone'))
      }
      return results
    } finally {
      client.disconnect()
    }
  },
}

const locks: Program = {
  name: 'redlock',
  async run(port) {
    const client = new Redis5({ port, maxRetriesPerRequest: 0 })
    try {
      await client.flushall()
      const redlock = new Redlock([client as never], { retryCount: 2, retryDelay: 10, retryJitter: 0 })
      const lock = await redlock.acquire(['resource:a', 'resource:b'], 5_000)
      const refused = await seen(redlock.acquire(['resource:a'], 1_000))
      const longer = await lock.extend(8_000)
      const left = await client.pttl('resource:a')
      await longer.release()
      let order = ''
      await Promise.all(
        ['1', '2'].map((name) =>
          new Redlock([client as never], { retryCount: 200, retryDelay: 5 }).using([`mutex`], 1_000, async () => {
            order += name
            await new Promise((resolve) => setTimeout(resolve, 20))
            order += name
          }),
        ),
      )
      return [typeof refused, left > 6_000, await client.exists('resource:a', 'resource:b'), ['1122', '2211'].includes(order)]
    } finally {
      client.disconnect()
    }
  },
}

export const applicationPrograms: readonly Program[] = [store, limiter, locks]
