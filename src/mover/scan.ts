/** One SCAN step, and what else the mover asks of a server, on a service lane. Cursors are the server's own 64-bit numbers: text here. */
import { exchange } from '../dispatch/key-transfer.ts'
import { decodeAll, decodeReply, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'

export interface Page {
  /** Where to go on; '0' = this was the last page. */
  readonly next: string
  readonly keys: Buffer[]
}

async function ask(lane: Lane, db: number, argv: readonly (Buffer | string | number)[]): Promise<Reply> {
  const frame = encodeCommand(argv)
  const bytes = await exchange(lane, contextOf(2, db), 1, (to) => to.write(frame, 0, frame.length))
  const reply = decodeReply(bytes).value
  if (isReplyError(reply)) throw new Error(`${lane.side}: ${reply.error}`)
  return reply
}

export async function scanPage(lane: Lane, db: number, cursor: string, count: number): Promise<Page> {
  const reply = await ask(lane, db, ['SCAN', cursor, 'COUNT', count])
  const [next, keys] = reply as [Buffer, Buffer[]]
  return { next: next.toString(), keys }
}

/** Which of the keys this side does not have. */
export async function missingKeys(lane: Lane, db: number, keys: readonly Buffer[]): Promise<Buffer[]> {
  // One question for all of them first: the usual answer is that nothing is missing.
  if (keys.length === 0 || (await ask(lane, db, ['EXISTS', ...keys])) === keys.length) return []
  const frames = Buffer.concat(keys.map((key) => encodeCommand(['EXISTS', key])))
  const bytes = await exchange(lane, contextOf(2, db), keys.length, (to) => to.write(frames, 0, frames.length))
  const replies = decodeAll(bytes)
  return keys.filter((_, i) => replies[i] === 0)
}

export interface KeyCount {
  readonly keys: number
  /** Of these, how many have an expiry. */
  readonly expiring: number
}

/** Databases that hold keys, with how many. */
export async function keyCounts(lane: Lane): Promise<Map<number, KeyCount>> {
  const text = String(await ask(lane, 0, ['INFO', 'keyspace']))
  const counts = new Map<number, KeyCount>()
  for (const [, db, keys, expiring] of text.matchAll(/^db(\d+):keys=(\d+),expires=(\d+)/gm))
    counts.set(Number(db), { keys: Number(keys), expiring: Number(expiring) })
  return counts
}
