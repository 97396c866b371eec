/** The whole value of one key, read by its type, in a form in which equal meaning is equal text. */
import type { RawConnection, Reply } from './raw-connection.ts'

export interface Value {
  readonly type: string
  /** One part per element, in an order that does not depend on how the server stores them. */
  readonly parts: readonly string[]
}

type Reader = (connection: RawConnection, key: string) => Promise<string[]>

const readers: Record<string, Reader> = {
  string: async (connection, key) => [stringMeaning((await connection.command('GET', key)) as Buffer | null)],
  list: async (connection, key) => (await list(connection, 'LRANGE', key, 0, -1)).map(text),
  set: async (connection, key) => (await list(connection, 'SMEMBERS', key)).map(text).sort(),
  hash: async (connection, key) => pairs(await list(connection, 'HGETALL', key)).sort(),
  zset: async (connection, key) => pairs(await list(connection, 'ZRANGE', key, 0, -1, 'WITHSCORES'), numberText).sort(),
  stream: readStream,
}

/** Type "none" is a key that is gone by now. */
export async function readValue(connection: RawConnection, key: string): Promise<Value> {
  const type = String(await connection.command('TYPE', key))
  const reader = readers[type]
  try {
    return { type, parts: reader ? await reader(connection, key) : [text(await connection.command('DUMP', key))] }
  } catch (error) {
    // The key changed its type or expired in between: what is read next time counts.
    return { type, parts: [`unreadable: ${error}`] }
  }
}

/** Null when both mean the same, else where they part. */
export function sameMeaning(source: Value, target: Value): string | null {
  if (source.parts.length !== target.parts.length)
    return `${source.parts.length} parts on the source, ${target.parts.length} on the target`
  const position = source.parts.findIndex((part, index) => part !== target.parts[index])
  if (position < 0) return null
  return `part ${position} is ${shown(source.parts[position])} on the source, ${shown(target.parts[position])} on the target`
}

const shown = (part = ''): string => JSON.stringify(part.length > 60 ? `${part.slice(0, 60)}…` : part)

function text(reply: Reply | undefined): string {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1')
  return Array.isArray(reply) ? reply.map(text).join(' ') : String(reply)
}

const numberText = (reply: Reply | undefined): string => String(Number(text(reply)))

async function list(connection: RawConnection, ...argv: (string | number)[]): Promise<Reply[]> {
  return (await connection.command(...argv)) as Reply[]
}

function pairs(flat: readonly Reply[], second: (reply: Reply | undefined) => string = text): string[] {
  const made: string[] = []
  for (let position = 0; position < flat.length; position += 2)
    made.push(`${text(flat[position])}\0${second(flat[position + 1])}`)
  return made
}

/** A HyperLogLog keeps its last count in bytes 8 to 15 of its header: a cache that reading may fill, no part of the value. */
function stringMeaning(value: Buffer | null): string {
  if (value === null || !value.subarray(0, 4).equals(Buffer.from('HYLL'))) return text(value)
  return Buffer.concat([value.subarray(0, 8), value.subarray(16)]).toString('latin1')
}

/** Entries, last id, groups with their position, consumers, and who has which entry how often; not when, nor who was seen when. */
async function readStream(connection: RawConnection, key: string): Promise<string[]> {
  const entries = (await list(connection, 'XRANGE', key, '-', '+')).map(text)
  const info = fields(await list(connection, 'XINFO', 'STREAM', key))
  const parts = [`last id ${text(info.get('last-generated-id'))}`, ...entries]
  for (const group of await list(connection, 'XINFO', 'GROUPS', key)) {
    const about = fields(group as Reply[])
    const name = text(about.get('name'))
    parts.push(`group ${name} at ${text(about.get('last-delivered-id'))}`)
    const consumers = (await list(connection, 'XINFO', 'CONSUMERS', key, name)).map((consumer) =>
      text(fields(consumer as Reply[]).get('name')),
    )
    parts.push(...consumers.sort().map((consumer) => `group ${name} consumer ${consumer}`))
    const pending = (await list(connection, 'XPENDING', key, name, '-', '+', 1_000_000)) as Reply[][]
    for (const [id, consumer, , deliveries] of pending)
      parts.push(`group ${name} pending ${[id, consumer, deliveries].map(text).join(' ')}`)
  }
  return parts
}

function fields(flat: readonly Reply[]): Map<string, Reply> {
  const made = new Map<string, Reply>()
  for (let position = 0; position + 1 < flat.length; position += 2) made.set(text(flat[position]), flat[position + 1] as Reply)
  return made
}
