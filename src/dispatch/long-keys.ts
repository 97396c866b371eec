/**
 * Which keys of a batch have values too long for one command: DUMP and RESTORE of such a one would keep everybody else on the server
 * waiting. Asked before the values are, of the reading side; what a value grows by in between is not seen.
 */

import { CommandWriter } from '../resp/command-writer.ts'
import { decodeAll, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'
import { exchange } from './key-transfer.ts'

/** Of one question. */
const keysMax = 512
/** For so long a server with little in it is taken not to have got much more. */
const littleMs = 1_000

const script =
  "local r={} local m=tonumber(ARGV[1]) for i=2,#ARGV do local n=redis.call('MEMORY','USAGE',ARGV[i]) if n and n>m then r[#r+1]=i-2 end end return r"

/** How a server tells: in one script for all keys, key by key where its user may run none, or not at all. */
interface Known {
  readonly runId: string | null
  readonly connections: number
  way: 'script' | 'each' | 'none'
  /** Whether all values together are shorter than a long one, as it was found out at a moment. */
  hasLittle: boolean
  askedMs: number
}

const known = new WeakMap<Lane, Known>()

function knownOf(lane: Lane): Known {
  const before = known.get(lane)
  if (before !== undefined && before.runId === lane.runId && before.connections === lane.connections) return before
  const now: Known = {
    runId: lane.runId,
    connections: lane.connections,
    way: 'script',
    hasLittle: false,
    askedMs: Number.NEGATIVE_INFINITY,
  }
  known.set(lane, now)
  return now
}

const none: ReadonlySet<Buffer> = new Set()

/**
 * Those whose value takes more than `longBytes` of the server's memory. Empty, too, where the server does not tell. Rejects with TransferLost.
 */
export async function longKeys(lane: Lane, db: number, keys: readonly Buffer[], longBytes: number): Promise<ReadonlySet<Buffer>> {
  const server = knownOf(lane)
  if (server.way === 'none' || keys.length === 0 || (await hasLittle(server, lane, longBytes))) return none
  const parts: (readonly Buffer[])[] = []
  for (let at = 0; at < keys.length; at += keysMax) parts.push(keys.slice(at, at + keysMax))
  const found = await Promise.all(parts.map((part) => longOf(server, lane, db, part, longBytes)))
  return found.every((some) => some.length === 0) ? none : new Set(found.flat())
}

/** No value is longer than all of them together. */
async function hasLittle(server: Known, lane: Lane, longBytes: number): Promise<boolean> {
  const nowMs = performance.now()
  if (nowMs - server.askedMs < littleMs) return server.hasLittle
  server.askedMs = nowMs
  const [reply] = await ask(lane, 0, [['INFO', 'memory']])
  server.hasLittle = Number(/^used_memory_dataset:(\d+)/m.exec(String(reply))?.[1] ?? Number.POSITIVE_INFINITY) <= longBytes
  return server.hasLittle
}

async function longOf(server: Known, lane: Lane, db: number, keys: readonly Buffer[], longBytes: number): Promise<Buffer[]> {
  if (server.way === 'script') {
    const out = new CommandWriter(keys.reduce((sum, key) => sum + key.length + 24, 512))
    out.command('EVAL', script, 0, longBytes, ...keys)
    const [reply] = decodeAll(await exchange(lane, contextOf(2, db), 1, (to) => out.writeTo(to)))
    if (Array.isArray(reply)) return reply.map((i) => keys[i as number] as Buffer)
    server.way = 'each'
  }
  const sizes = await ask(
    lane,
    db,
    keys.map((key) => ['MEMORY', 'USAGE', key]),
  )
  if (sizes.every((size) => size !== undefined && isReplyError(size))) server.way = 'none'
  return keys.filter((_, i) => Number(sizes[i]) > longBytes)
}

async function ask(lane: Lane, db: number, commands: readonly (readonly (Buffer | string)[])[]): Promise<Reply[]> {
  const frames = Buffer.concat(commands.map((argv) => encodeCommand(argv)))
  return decodeAll(await exchange(lane, contextOf(2, db), commands.length, (to) => to.write(frames, 0, frames.length)))
}
