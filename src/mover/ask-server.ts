/** Questions of the mover to a server, on a service lane. */
import { exchange } from '../dispatch/key-transfer.ts'
import { decodeAll, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'

type Argv = readonly (Buffer | string | number)[]

/** @throws Error with the server's words, or where it is gone. */
export async function askServer(lane: Lane, db: number, argv: Argv): Promise<Reply> {
  const [reply = null] = await askServerAll(lane, db, [argv])
  if (isReplyError(reply)) throw new Error(`${lane.side}: ${reply.error}`)
  return reply
}

/** Answers in order, errors among them. @throws TransferLost */
export async function askServerAll(lane: Lane, db: number, commands: readonly Argv[]): Promise<Reply[]> {
  if (commands.length === 0) return []
  const frames = Buffer.concat(commands.map((argv) => encodeCommand(argv)))
  return decodeAll(await exchange(lane, contextOf(2, db), commands.length, (to) => to.write(frames, 0, frames.length)))
}
