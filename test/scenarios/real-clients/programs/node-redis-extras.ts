/** What else of node-redis applications live on: pools, scripts and functions of its own, sharded channels, buffers, MONITOR, caches by prefix. */
import { BasicPooledClientSideCache, createClient, createClientPool, defineScript, RESP_TYPES } from 'redis'
import { untilSeen } from './patience.ts'
import { type Program, seen } from './program.ts'

const bump = defineScript({
  SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
  NUMBER_OF_KEYS: 1,
  parseCommand(parser, key: string, by: number) {
    parser.pushKey(key)
    parser.push(String(by))
  },
  transformReply: (reply: unknown) => Number(reply),
})

const make = (port: number, RESP: 2 | 3, more: object = {}) =>
  createClient({
    RESP,
    socket: { port, host: '127.0.0.1', reconnectStrategy: false },
    scripts: { bump },
    name: 'extras',
    ...more,
  })

type Client = ReturnType<typeof make>

async function pooled(port: number, RESP: 2 | 3): Promise<unknown[]> {
  const pool = createClientPool({ RESP, socket: { port, host: '127.0.0.1' } }, { minimum: 2, maximum: 6 })
  await pool.connect()
  try {
    const counted = Promise.all(Array.from({ length: 400 }, (_, n) => pool.incr(`pooled:${n % 5}`)))
    const blocked = Promise.all([1, 2].map(() => pool.execute((client) => client.blPop('pool:queue', 5))))
    await counted
    await pool.rPush('pool:queue', ['a', 'b'])
    const popped = (await blocked).map((item) => item?.element).sort()
    const transactions = await Promise.all([1, 2, 3].map(() => pool.multi().incr('pooled:tx').incr('pooled:tx').exec()))
    return [popped, transactions.flat().map(Number).sort(), await pool.mGet(['pooled:0', 'pooled:4', 'pooled:tx'])]
  } finally {
    pool.destroy()
  }
}

async function shapes(client: Client): Promise<unknown[]> {
  await client.hSet('h', { a: '1', b: 'two' })
  await client.set('bytes', Buffer.from([0, 1, 254, 255, 13, 10]))
  const bytes = await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get('bytes')
  const map = await client.withTypeMapping({ [RESP_TYPES.MAP]: Map }).hGetAll('h')
  return [
    bytes?.toString('hex'),
    [...Object.entries(map instanceof Map ? Object.fromEntries(map) : map)].sort(),
    await client.zAdd('z', [
      { score: Number.POSITIVE_INFINITY, value: 'inf' },
      { score: 0.1, value: 'tenth' },
    ]),
    await client.zScore('z', 'inf'),
    await client.zRangeWithScores('z', 0, -1),
    await client.zIncrBy('z', 0.2, 'tenth'),
    await client.sAdd('s', ['x', 'y']),
    [...(await client.sMembers('s'))].sort(),
    await client.xAdd('stream', '1-1', { field: 'value' }),
    await client.xRead({ key: 'stream', id: '0' }, { COUNT: 10 }),
    await client.geoAdd('geo', { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' }),
    await client.geoPos('geo', 'Palermo'),
    await client.sendCommand(['OBJECT', 'ENCODING', 'h']),
    await client.hIncrByFloat('h', 'a', 0.5),
    await client.configGet('maxmemory'),
    await client.hRandFieldCountWithValues('h', 1).then((fields) => fields.length),
  ]
}

async function programmed(client: Client): Promise<unknown[]> {
  await client.functionLoad(
    `#!lua name=nodes
    redis.register_function('nodes_bump', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)`,
    { REPLACE: true },
  )
  const results: unknown[] = [
    await client.bump('n', 2),
    await client.bump('n', 3),
    await client.fCall('nodes_bump', { keys: ['n'], arguments: ['5'] }),
    await client.multi().bump('n', 1).get('n').exec(),
    (await client.functionList({ LIBRARYNAME: 'nodes' })).length,
  ]
  await client.scriptFlush()
  results.push(await client.bump('n', 1), await seen(client.evalSha('0'.repeat(40))))
  await client.functionDelete('nodes')
  return results
}

async function sharded(client: Client, subscriber: Client): Promise<unknown[]> {
  const got: unknown[] = []
  await subscriber.sSubscribe('shard', (text, channel) => got.push([channel, text]))
  await subscriber.subscribe('bytes', (bytes) => got.push(bytes.toString('hex')), true)
  const receivers = [await client.sPublish('shard', 'hello'), await client.publish('bytes', Buffer.from([0, 255]))]
  await untilSeen('both messages', () => got.length === 2)
  const counts = await client.pubSubNumSub(['bytes', 'none'])
  await subscriber.sUnsubscribe()
  await subscriber.unsubscribe()
  return [receivers, got.map(String).sort(), Object.entries(counts), await subscriber.ping()]
}

async function monitored(client: Client, port: number, RESP: 2 | 3): Promise<unknown> {
  const monitor = make(port, RESP)
  await monitor.connect()
  const lines: string[] = []
  await monitor.monitor((line) => lines.push(String(line)))
  await client.set('watched', 'a "quoted" \r\n value')
  await untilSeen('the line of MONITOR', () => lines.some((line) => line.includes('watched')))
  monitor.destroy()
  return lines.find((line) => line.includes('watched'))?.replace(/^\d+\.\d+ \[(\d+) \S+\]/, '[$1]')
}

/** How the two are listed; by their ids, since clients that have just gone may be listed still. */
async function listed(client: Client, subscriber: Client): Promise<unknown[]> {
  const ids = [await client.clientId(), await subscriber.clientId()]
  return (await client.clientList()).filter(({ id }) => ids.includes(id)).map(({ name, db }) => [name, db])
}

function program(RESP: 2 | 3): Program {
  return {
    name: `node-redis, RESP${RESP}, further features`,
    async run(port) {
      const [client, subscriber] = [make(port, RESP), make(port, RESP, { database: 3 })]
      const errors: string[] = []
      for (const each of [client, subscriber]) each.on('error', (error: Error) => errors.push(error.message))
      try {
        await Promise.all([client.connect(), subscriber.connect()])
        await client.flushAll()
        await subscriber.set('elsewhere', '1')
        const results = {
          pooled: await pooled(port, RESP),
          shapes: await shapes(client),
          programmed: await programmed(client),
          sharded: await sharded(client, subscriber),
          monitored: await monitored(client, port, RESP),
          name: await client.clientGetName(),
          found: await listed(client, subscriber),
          databases: [await client.exists('elsewhere'), await subscriber.exists('elsewhere')],
        }
        await Promise.all([client.close(), subscriber.close()])
        return { ...results, errors }
      } finally {
        for (const each of [client, subscriber]) if (each.isOpen) each.destroy()
      }
    },
  }
}

/** One cache for a pool: what any connection writes makes the others forget. */
const pooledCache: Program = {
  name: 'node-redis, a pool with one client-side cache',
  async run(port) {
    const cache = new BasicPooledClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: 'LRU' })
    const pool = createClientPool(
      { RESP: 3, socket: { port, host: '127.0.0.1' } },
      { minimum: 3, maximum: 3, clientSideCache: cache },
    )
    const writer = make(port, 3)
    await Promise.all([pool.connect(), writer.connect()])
    try {
      await writer.flushAll()
      await writer.mSet({ a: '1', b: '2' })
      const first = [await pool.get('a'), await pool.get('a'), await pool.get('b'), await pool.mGet(['a', 'b'])]
      const { hitCount } = cache.stats()
      for (let n = 0; n < 20; n++) {
        await writer.set('a', `v${n}`)
        await untilSeen('the new value', async () => (await pool.get('a')) === `v${n}`)
      }
      await writer.multi().set('a', 'x').set('b', 'y').exec()
      await untilSeen('both new values', async () => (await pool.get('a')) === 'x' && (await pool.get('b')) === 'y')
      await writer.flushAll()
      await untilSeen('an empty data set', async () => (await pool.get('a')) === null)
      return [first, hitCount > 0]
    } finally {
      pool.destroy()
      writer.destroy()
    }
  },
}

export const nodeRedisExtras: readonly Program[] = [program(2), program(3), pooledCache]
