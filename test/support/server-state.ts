/** Everything that a server holds, in a form in which two servers are the same or not: values, exact lifetimes, groups and pending entries. */
import { Redis } from 'ioredis'

/** What a server keeps of its own: memory shape, clocks, idle times, and a group's lag, which is reckoned by version. */
const ownBusiness = new Set([
  'radix-tree-keys',
  'radix-tree-nodes',
  'seen-time',
  'active-time',
  'lag',
  'idle',
  'inactive',
  // Tiny numbers about entries that are gone; not in every version.
  'entries-added-offset',
])

interface Found {
  readonly db: number
  readonly key: string
}

export async function stateOf(port: number, databases: readonly number[] = [0]): Promise<Record<string, unknown>> {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => null })
  try {
    const found = await keysIn(client, databases)
    // Each step is asked of all keys in one go.
    const facts = await ofEach(client, found, ({ key }) => Promise.all([client.type(key), client.pexpiretime(key)]))
    const values = await ofEach(client, found, ({ key }, i) => contentOf(client, key, String(facts[i]?.[0])))
    const ends = await ofEach(client, found, ({ key }, i) => fieldEnds(client, key, String(facts[i]?.[0]), values[i]))
    return Object.fromEntries(
      found.map(({ db, key }, i) => {
        const [type, expiresAtMs] = facts[i] ?? []
        return [`${db}/${key}`, { type, expiresAtMs, value: values[i], ...(ends[i] === null ? {} : { ends: ends[i] }) }]
      }),
    )
  } finally {
    client.disconnect()
  }
}

async function keysIn(client: Redis, databases: readonly number[]): Promise<Found[]> {
  const keyspace = await client.info('keyspace')
  const filled = databases.filter((db) => keyspace.includes(`db${db}:`))
  const listed = await Promise.all(
    filled.map((db) => {
      client.select(db).catch(() => {})
      return client.keys('*')
    }),
  )
  return filled.flatMap((db, i) => (listed[i] ?? []).sort().map((key) => ({ db, key })))
}

/** Commands leave in the order of the calls, so `ask` may send one at once, and none later. */
function ofEach<T>(client: Redis, found: readonly Found[], ask: (one: Found, i: number) => Promise<T>): Promise<T[]> {
  let db = -1
  return Promise.all(
    found.map((one, i) => {
      if (one.db !== db) client.select(one.db).catch(() => {})
      db = one.db
      return ask(one, i)
    }),
  )
}

async function contentOf(client: Redis, key: string, type: string): Promise<unknown> {
  if (type === 'stream') return withoutOwn(await client.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'))
  if (type === 'hash') return Object.entries(await client.hgetall(key)).sort()
  if (type === 'set') return (await client.smembers(key)).sort()
  if (type === 'zset') return scoresOf(client, key)
  if (type === 'list') return client.lrange(key, 0, -1)
  return (await client.getBuffer(key))?.toString('latin1')
}

/** When each field ends: -1 where it does not, null for another type. A server without such lifetimes has none. */
async function fieldEnds(client: Redis, key: string, type: string, value: unknown): Promise<unknown> {
  if (type !== 'hash') return null
  const fields = (value as [string, string][]).map(([field]) => field)
  return client.call('HPEXPIRETIME', key, 'FIELDS', String(fields.length), ...fields).catch(() => fields.map(() => -1))
}

/** As numbers: two versions write the same score differently. */
async function scoresOf(client: Redis, key: string): Promise<unknown> {
  const flat = await client.zrange(key, '0', '-1', 'WITHSCORES')
  return flat.map((text, i) => (i % 2 === 1 ? Number(text) : text))
}

/** XINFO's answer without what is a server's own: pairs as an object, pending entries without the time of their delivery. */
function withoutOwn(reply: unknown): unknown {
  if (!Array.isArray(reply)) return reply
  if (typeof reply[0] !== 'string' || reply.length % 2 !== 0 || !/^[a-z-]+$/.test(reply[0])) return reply.map(withoutOwn)
  const pairs: [string, unknown][] = []
  for (let i = 0; i < reply.length; i += 2) {
    const [name, value] = [String(reply[i]), reply[i + 1]]
    if (ownBusiness.has(name)) continue
    if (name === 'pel' || name === 'pending') pairs.push([name, (value as unknown[][]).map(withoutTime)])
    else if (name === 'entries') pairs.push([name, value])
    else pairs.push([name, withoutOwn(value)])
  }
  return Object.fromEntries(pairs)
}

/** [id, consumer, time, count] of a group, [id, time, count] of a consumer. */
const withoutTime = (entry: unknown[]): unknown[] => entry.filter((_, i) => i !== entry.length - 2)
