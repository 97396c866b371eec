/**
 * Sorted sets, geographical ones among them: by rank, with the scores as the server prints them. That is either 17 digits or the fewest
 * that name the same double, so what is read back is the same bit by bit; `inf`, `-inf` and `-0` are understood, too.
 */
import type { ReplyCursor } from '../../resp/reply-cursor.ts'
import { nextRank, type Shape, writeFlat } from './shape.ts'

const zadd = Buffer.from('ZADD')

/** In place: the server gives the member first, and wants the score first. */
export function scoreFirst(flat: Buffer[]): Buffer[] {
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const member = flat[i] as Buffer
    flat[i] = flat[i + 1] as Buffer
    flat[i + 1] = member
  }
  return flat
}

const scored = (reply: ReplyCursor): Buffer[] => scoreFirst(reply.bulks())

export const sortedSets: Shape = {
  type: 'zset',
  countVerb: Buffer.from('ZCARD'),
  askAll: (out, key) => void out.command('ZRANGE', key, 0, -1, 'WITHSCORES'),
  readAll: scored,
  askWindow: (out, key, cursor, count) => void out.command('ZRANGE', key, cursor, Number(cursor) + count - 1, 'WITHSCORES'),
  readWindow: (reply, cursor, count) => {
    const flat = scored(reply)
    return { flat, next: nextRank(cursor, count, flat.length / 2) }
  },
  write: (out, key, { flat }) => writeFlat(out, zadd, key, flat),
}
