/** What there is to know about a key that stays behind, asked for while its server still has it. */
import { exchange } from '../dispatch/key-transfer.ts'
import { decodeAll, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { printable } from '../resp/printable.ts'
import type { FailedCopy, FailedEntry } from '../state/store.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'

type Facts = Pick<FailedCopy, 'type' | 'sizeBytes' | 'ttlMs' | 'payload'>

const nothing: Facts = { type: null, sizeBytes: null, ttlMs: null, payload: null }

/** Never rejects. @param payloadBytesMax values up to this size come with what DUMP gives; 0 = none do. */
export async function factsOf(lane: Lane, db: number, key: Buffer, payloadBytesMax: number): Promise<Facts> {
  try {
    const [type, size, ttl] = await ask(lane, db, [
      ['TYPE', key],
      // It looks at five elements of the value, so it is cheap on a long one too.
      ['MEMORY', 'USAGE', key],
      ['PTTL', key],
    ])
    const facts: Facts = { type: textOf(type), sizeBytes: numberOf(size), ttlMs: numberOf(ttl), payload: null }
    if (payloadBytesMax === 0 || facts.sizeBytes === null || facts.sizeBytes > payloadBytesMax) return facts
    const [payload] = await ask(lane, db, [['DUMP', key]])
    return Buffer.isBuffer(payload) && payload.length <= payloadBytesMax ? { ...facts, payload: Buffer.from(payload) } : facts
  } catch {
    return nothing
  }
}

async function ask(lane: Lane, db: number, commands: readonly (readonly (Buffer | string)[])[]): Promise<Reply[]> {
  const frames = Buffer.concat(commands.map((argv) => encodeCommand(argv)))
  return decodeAll(await exchange(lane, contextOf(2, db), commands.length, (to) => to.write(frames, 0, frames.length)))
}

const textOf = (reply: Reply | undefined): string | null =>
  reply !== undefined && reply !== null && !isReplyError(reply) && String(reply) !== 'none' ? String(reply) : null
const numberOf = (reply: Reply | undefined): number | null => (typeof reply === 'number' && reply >= 0 ? reply : null)

/** As the control API gives it, and as `ferry copy --errors` writes it, one to a line. */
export function documentOf(entry: FailedEntry, withPayload: boolean) {
  const { key, failure, firstAt, lastAt, payload, id, db, type, sizeBytes, ttlMs, attempts, saidBy, from, error, state, note } =
    entry
  return {
    id,
    db,
    keyBase64: key.toString('base64'),
    key: printable(key),
    type,
    sizeBytes,
    ttlMs,
    attempts,
    class: failure,
    error,
    saidBy,
    from,
    state,
    note,
    payloadBase64: withPayload && payload !== null ? payload.toString('base64') : null,
    firstAt: new Date(firstAt).toISOString(),
    lastAt: new Date(lastAt).toISOString(),
  }
}
