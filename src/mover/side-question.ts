/** Several commands to one side in one round trip. */
import { exchange } from '../dispatch/key-transfer.ts'
import type { CommandWriter } from '../resp/command-writer.ts'
import { ReplyCursor } from '../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'

/** Nothing is sent where nothing was written. Rejects with TransferLost. */
export async function askSide(lane: Lane, db: number, out: CommandWriter): Promise<ReplyCursor> {
  if (out.commands === 0) return new ReplyCursor(Buffer.alloc(0))
  return new ReplyCursor(await exchange(lane, contextOf(2, db), out.commands, (to) => out.writeTo(to)))
}
