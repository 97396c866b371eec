/** Lists: by position, which nobody moves while the key is held. */
import { nextRank, type Shape, writeFlat } from './shape.ts'

const rpush = Buffer.from('RPUSH')

export const lists: Shape = {
  type: 'list',
  countVerb: Buffer.from('LLEN'),
  askAll: (out, key) => void out.command('LRANGE', key, 0, -1),
  readAll: (reply) => reply.bulks(),
  askWindow: (out, key, cursor, count) => void out.command('LRANGE', key, cursor, Number(cursor) + count - 1),
  readWindow: (reply, cursor, count) => {
    const flat = reply.bulks()
    return { flat, next: nextRank(cursor, count, flat.length) }
  },
  write: (out, key, { flat }) => writeFlat(out, rpush, key, flat),
}
