/** Sets. SSCAN may give a member twice, which adding it does not mind. */
import { nextCursor, type Shape, writeFlat } from './shape.ts'

const sadd = Buffer.from('SADD')

export const sets: Shape = {
  type: 'set',
  countVerb: Buffer.from('SCARD'),
  askAll: (out, key) => void out.command('SMEMBERS', key),
  readAll: (reply) => reply.bulks(),
  askWindow: (out, key, cursor, count) => void out.command('SSCAN', key, cursor, 'COUNT', count),
  readWindow: (reply) => {
    reply.integer()
    const next = nextCursor(reply.bulk())
    return { flat: reply.bulks(), next }
  },
  write: (out, key, { flat }) => writeFlat(out, sadd, key, flat),
}
