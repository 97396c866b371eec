/** Hashes, and when their fields expire: known to Redis from 7.4 on and to Valkey from 9.0 on, by the same commands. */
import type { CommandWriter } from '../../resp/command-writer.ts'
import type { ReplyCursor } from '../../resp/reply-cursor.ts'
import { type Elements, nextCursor, type Shape, writeFlat } from './shape.ts'

const hset = Buffer.from('HSET')
const endVerb = Buffer.from('HPEXPIRETIME')
const setEndVerb = Buffer.from('HPEXPIREAT')
const fieldsWord = Buffer.from('FIELDS')
/** What the server says where the field is gone. */
const goneField = -2

export const hashes: Shape = {
  type: 'hash',
  countVerb: Buffer.from('HLEN'),
  askAll: (out, key) => void out.command('HGETALL', key),
  readAll: (reply) => reply.bulks(),
  askWindow: (out, key, cursor, count) => void out.command('HSCAN', key, cursor, 'COUNT', count),
  readWindow: (reply) => {
    reply.integer()
    const next = nextCursor(reply.bulk())
    return { flat: reply.bulks(), next }
  },
  write: (out, key, { flat, ends }) => {
    writeFlat(out, hset, key, flat)
    for (const [endMs, fields] of byEnd(flat, ends)) {
      out
        .begin(fields.length + 5)
        .add(setEndVerb)
        .add(key)
        .number(endMs)
        .add(fieldsWord)
        .number(fields.length)
      for (const field of fields) out.add(field)
    }
  },
}

/** Fields that expire at the same moment need one command. */
function byEnd(flat: readonly Buffer[], ends: readonly number[] | null): Map<number, Buffer[]> {
  const groups = new Map<number, Buffer[]>()
  ends?.forEach((endMs, i) => {
    if (endMs < 0) return
    const fields = groups.get(endMs)
    if (fields === undefined) groups.set(endMs, [flat[2 * i] as Buffer])
    else fields.push(flat[2 * i] as Buffer)
  })
  return groups
}

export function askEnds(out: CommandWriter, key: Buffer, flat: readonly Buffer[]): void {
  const count = flat.length / 2
  out
    .begin(count + 4)
    .add(endVerb)
    .add(key)
    .add(fieldsWord)
    .number(count)
  for (let i = 0; i < flat.length; i += 2) out.add(flat[i] as Buffer)
}

/** Puts the answer to `askEnds` beside the fields. One that has expired since it was read is left out, or it would live for ever. */
export function withEnds(flat: readonly Buffer[], reply: ReplyCursor): Elements {
  const ends: number[] = []
  const left: Buffer[] = []
  const count = reply.integer()
  for (let i = 0; i < flat.length / 2; i++) {
    const endMs = i < count ? reply.integer() : goneField
    if (endMs === goneField) continue
    ends.push(endMs)
    left.push(flat[2 * i] as Buffer, flat[2 * i + 1] as Buffer)
  }
  return { flat: left, ends: ends.some((endMs) => endMs >= 0) ? ends : null }
}

/** Whether an error is the writing server's of having no such expiries. */
export const lacksFieldEnds = (error: string): boolean => /unknown command/i.test(error) && /hpexpire/i.test(error)
