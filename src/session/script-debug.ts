/**
 * SCRIPT DEBUG is refused, and so is the EVAL behind it. redis-cli --ldb does not look at the refusal: it would have the script run for
 * good where its user expects a rehearsal that is rolled back.
 */
import { type ArgView, argIs } from '../commands/arg-view.ts'
import { arityOk, type CommandSpec } from '../commands/spec.ts'
import type { Sent } from '../dispatch/frame.ts'
import { wireError } from '../errors.ts'
import { encodeError, replies } from '../resp/encode.ts'
import { answer, wrongArity } from './answers.ts'
import type { ClientSession } from './client-session.ts'

/** How a server tells its client that the debugger is over (ldbEndSession); the reply to EVAL comes behind it. */
const endOfDebugging = Buffer.from('*1\r\n+<endsession>\r\n')

export function scriptDebug(session: ClientSession, spec: CommandSpec, args: ArgView, refusal: Buffer): Sent {
  if (!arityOk(spec, args.argc)) return answer(session, wrongArity('script debug'))
  if (argIs(args, 2, 'no')) {
    session.hints.debugs = false
    return answer(session, replies.ok)
  }
  if (!argIs(args, 2, 'yes') && !argIs(args, 2, 'sync')) return answer(session, encodeError('ERR Use SCRIPT DEBUG YES/SYNC/NO'))
  session.shared.core.counters.clientError('unsupported')
  session.hints.debugs = true
  return answer(session, refusal)
}

export const isDebugged = (session: ClientSession, { family, name }: CommandSpec): boolean =>
  session.hints.debugs && family === 'scripting' && name.startsWith('eval')

/** Ends the connection, as a server does behind a debugged script. Nothing has run. */
export function endDebugging(session: ClientSession): Sent {
  const refusal = wireError('unsupported', "'script debug' was refused, so the script did not run; connect to that server")
  session.shared.core.counters.clientError('unsupported')
  session.replies.answer(Buffer.concat([endOfDebugging, refusal]))
  session.closeAfterReplies()
  return 'sent'
}
