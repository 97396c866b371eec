/**
 * Whether the server lets this client's user run a command that Ferry answers itself: asked with a form of it that does nothing there.
 * The server's own refusal is the reply then.
 */
import type { Sent } from '../dispatch/frame.ts'
import { exchange } from '../dispatch/key-transfer.ts'
import { wireError } from '../errors.ts'
import { encodeCommand } from '../resp/encode.ts'
import { answerLater } from './answers.ts'
import type { ClientSession } from './client-session.ts'

/** Errors of the probe that are the answer to the client's own command; any other one says that it was let through. */
const refusals = /^-(NOPERM|NOAUTH|ERR No such user) /

/** `go` runs once the server has said yes; its bytes are the reply. Nothing behind the command is looked at before. */
export function withPermission(session: ClientSession, name: string, probe: readonly string[], go: () => Buffer): Sent {
  const { core } = session.shared
  const reply = answerLater(session)
  const frame = encodeCommand(probe)
  exchange(core.authorityLane(session.pair), session.context, 1, (lane) => lane.write(frame, 0, frame.length)).then(
    (bytes) => reply(refusalIn(bytes, name) ?? answerOf(name, go)),
    (error: Error) => reply(wireError('authority-unavailable', error.message)),
  )
  return 'sent'
}

/** A defect in it is this client's trouble alone: thrown here, it would end the process. */
function answerOf(name: string, go: () => Buffer): Buffer {
  try {
    return go()
  } catch (error) {
    return wireError('internal', `${name.replace('|', ' ')}: ${(error as Error).message}`)
  }
}

/** The server names the command that it was asked about. */
function refusalIn(bytes: Buffer, name: string): Buffer | null {
  const text = bytes.toString('latin1')
  return refusals.test(text) ? Buffer.from(text.replace(/'client\|[a-z-]+'/, `'${name}'`), 'latin1') : null
}
