/**
 * What a server holds, byte by byte, for servers of different families: every key of every database with its type, its end, its value as the
 * server tells it, the ends of hash fields, and of streams all that XINFO knows. Shares no code with Ferry.
 */
import { RawConnection, type Reply } from '../../src/demo/raw-connection.ts'

export interface FullState {
  /** By `database/name`, latin1. */
  readonly keys: Record<string, unknown>
  /** When each pending entry was delivered, Unix time in ms, by stream, group and id. */
  readonly deliveries: Record<string, number>
}

/** What a server keeps of its own: memory shape, clocks, and a group's lag, which is reckoned by version. */
const ownBusiness = new Set(['radix-tree-keys', 'radix-tree-nodes', 'seen-time', 'active-time', 'lag'])

export async function fullStateOf(port: number): Promise<FullState> {
  const connection = await RawConnection.open(port)
  const state: FullState = { keys: {}, deliveries: {} }
  try {
    const keyspace = String(await connection.command('INFO', 'keyspace'))
    for (const [, db] of keyspace.matchAll(/^db(\d+):/gm)) {
      await connection.command('SELECT', String(db))
      const keys = (await connection.command('KEYS', '*')) as Buffer[]
      const texts = keys.map((key) => key.toString('latin1')).sort()
      await Promise.all(texts.map((name) => describe(connection, `${db}/${name}`, Buffer.from(name, 'latin1'), state)))
    }
  } finally {
    connection.close()
  }
  return state
}

async function describe(connection: RawConnection, name: string, key: Buffer, state: FullState): Promise<void> {
  const [type, expiresAtMs] = await connection.batch([
    ['TYPE', key],
    ['PEXPIRETIME', key],
  ])
  state.keys[name] = { type: String(type), expiresAtMs, value: await contentOf(connection, name, key, String(type), state) }
}

async function contentOf(connection: RawConnection, name: string, key: Buffer, type: string, state: FullState): Promise<unknown> {
  if (type === 'string') return text(await connection.command('GET', key))
  if (type === 'list') return texts(await connection.command('LRANGE', key, 0, -1))
  if (type === 'set') return texts(await connection.command('SMEMBERS', key)).sort()
  if (type === 'zset') {
    // As numbers: the same double has a long and a short text. -0 stays what it is.
    return texts(await connection.command('ZRANGE', key, 0, -1, 'WITHSCORES')).map((item, i) =>
      i % 2 === 0 ? item : Number(item),
    )
  }
  if (type === 'hash') return hashOf(connection, key)
  if (type === 'stream') return streamOf(await connection.command('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0), name, state)
  return `a value of type ${type}`
}

async function hashOf(connection: RawConnection, key: Buffer): Promise<unknown> {
  const flat = (await connection.command('HGETALL', key)) as Buffer[]
  const fields = flat.filter((_, i) => i % 2 === 0)
  const [ends] = await connection.batch([['HPEXPIRETIME', key, 'FIELDS', fields.length, ...fields]])
  const endAt = (i: number): unknown => (Array.isArray(ends) ? ends[i] : -1)
  return fields.map((field, i) => [text(field), text(flat[2 * i + 1] as Buffer), endAt(i)]).sort()
}

/** XINFO's answer: pairs as objects, what is a server's own left out, and the time of a delivery put aside. */
function streamOf(reply: Reply, name: string, state: FullState): unknown {
  const found = pairs(reply)
  const groups = ((found.groups as Reply[] | undefined) ?? []).map((row) => {
    const group = pairs(row)
    const where = `${name} ${text(group.name as Buffer)}`
    const pending = ((group.pel ?? group.pending ?? []) as Reply[][]).map(([id, consumer, atMs, count]) => {
      state.deliveries[`${where} ${id}`] = Number(atMs)
      return [text(id as Reply), text(consumer as Reply), count]
    })
    const consumers = ((group.consumers as Reply[]) ?? []).map((one) => text(pairs(one).name as Buffer)).sort()
    return { ...plain(group), pel: pending, pending: undefined, consumers }
  })
  return { ...plain(found), groups }
}

function pairs(reply: Reply): Record<string, Reply> {
  const found: Record<string, Reply> = {}
  const flat = reply as Reply[]
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = String(flat[i])
    if (!ownBusiness.has(name)) found[name] = flat[i + 1] as Reply
  }
  return found
}

const plain = (found: Record<string, Reply>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(found).map(([name, value]) => [name, deep(value)]))
const deep = (reply: Reply): unknown => (Array.isArray(reply) ? reply.map(deep) : Buffer.isBuffer(reply) ? text(reply) : reply)
const text = (reply: Reply): string => (Buffer.isBuffer(reply) ? reply.toString('latin1') : String(reply))
const texts = (reply: Reply): string[] => (reply as Reply[]).map(text)
