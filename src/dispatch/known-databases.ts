/** Which databases a server has, asked before a shared lane is brought there: a SELECT that fails costs the lane, and everybody on it. */
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { freshContext, type Lane } from '../upstream/lane.ts'
import { exchange } from './key-transfer.ts'

/** Found to be there since the lane's last connection; another one may lead to a server with fewer. */
const known = new WeakMap<Lane, { readonly connections: number; readonly dbs: Set<number> }>()

/** Why the server behind this lane cannot be brought to that database, or null. Rejects with TransferLost. */
export async function databaseRefusal(lane: Lane, db: number): Promise<string | null> {
  if (db === 0) return null
  const found = known.get(lane)
  if (found?.connections === lane.connections && found.dbs.has(db)) return null
  const frames = Buffer.concat([encodeCommand(['SELECT', db]), encodeCommand(['SELECT', '0'])])
  const bytes = await exchange(lane, freshContext, 2, (to) => to.write(frames, 0, frames.length))
  const reply = decodeReply(bytes).value
  if (isReplyError(reply)) return `${lane.side} has no database ${db} (${reply.error})`
  const dbs = found?.connections === lane.connections ? found.dbs : new Set<number>()
  known.set(lane, { connections: lane.connections, dbs: dbs.add(db) })
  return null
}
