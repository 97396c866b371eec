/** Databases that hold keys on either side: where a script that changes its database may have written. */
import { decodeReply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { sides } from '../routing/modes.ts'
import { freshContext } from '../upstream/lane.ts'
import { exchange } from './key-transfer.ts'
import type { Lanes } from './lanes.ts'

const frame = encodeCommand(['INFO', 'keyspace'])

/** Null where a side did not tell. */
export async function databasesInUse(lanes: Lanes): Promise<Set<number> | null> {
  const dbs = new Set<number>([0])
  try {
    for (const side of sides) {
      const bytes = await exchange(lanes.lane(side), freshContext, 1, (lane) => lane.write(frame, 0, frame.length))
      const info = decodeReply(bytes).value
      if (!Buffer.isBuffer(info)) return null
      for (const [, db] of info.toString().matchAll(/^db(\d+):keys=/gm)) dbs.add(Number(db))
    }
  } catch {
    return null
  }
  return dbs
}
