/** Commands that belong to the connection: answered here, at the place in the order of replies where the client expects them. */
import { type ArgView, argBytes, argInteger } from '../commands/arg-view.ts'
import type { CommandSpec } from '../commands/spec.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { encodeBulk, encodeError, replies } from '../resp/encode.ts'
import { answer, refusalOf, refusalOutside, withAuthority } from './answers.ts'
import { handleClient } from './client-command.ts'
import type { ClientSession } from './client-session.ts'
import { handleCluster, isClusterCommand } from './cluster-command.ts'
import { authenticate, hello } from './identity.ts'
import { askInfo } from './info.ts'
import { pingWhileSubscribed } from './subscribe-command.ts'
import { endTracking } from './tracking-command.ts'

export function handleLocal(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  if (isClusterCommand(spec)) return handleCluster(session, spec, args)
  const refusal = refusalOf(spec, args)
  if (refusal !== null) return answer(session, refusal)
  if (spec.name === 'quit') {
    session.replies.answer(replies.ok)
    endStreams(session)
    session.closeAfterReplies()
    return 'sent'
  }
  if (spec.name === 'auth') return authenticate(session, args)
  if (spec.name === 'hello') return hello(session, args)
  if (spec.name === 'reset') return reset(session)
  return withAuthority(session, () => {
    switch (spec.name) {
      case 'ping':
        return ping(session, args)
      case 'monitor':
        return session.shared.monitors.add(session) ? answer(session, replies.ok) : 'sent'
      case 'echo':
        return answer(session, encodeBulk(argBytes(args, 1)))
      case 'select':
        return select(session, spec, args)
      case 'info':
        return askInfo(session, args, frame)
      default:
        return handleClient(session, spec, args, frame)
    }
  })
}

function ping(session: ClientSession, args: ArgView): Sent {
  if (args.argc > 2) return answer(session, encodeError("ERR wrong number of arguments for 'ping' command"))
  const payload = args.argc === 2 ? argBytes(args, 1) : null
  const { subscriptions } = session
  if (subscriptions?.active === true) return pingWhileSubscribed(session, subscriptions, payload)
  return answer(session, payload === null ? replies.pong : encodeBulk(payload))
}

/** What the server sends unasked: messages, and the lines of MONITOR. */
function endStreams(session: ClientSession): void {
  session.subscriptions?.close()
  session.shared.monitors.remove(session)
}

function select(session: ClientSession, spec: CommandSpec, args: ArgView): Sent {
  const db = argInteger(args, 1)
  if (Number.isNaN(db)) return answer(session, encodeError('ERR value is not an integer or out of range'))
  const outside = refusalOutside(session, spec, [db])
  if (outside !== null) return answer(session, outside)
  const verdict = session.shared.databases.verdict(db, session)
  if (verdict === null) return 'parked'
  if (verdict !== 'ok') return answer(session, encodeError(verdict))
  session.setContext(session.protocol, db)
  return answer(session, replies.ok)
}

function reset(session: ClientSession): Sent {
  if (session.tracking !== null && session.tracking.inFlight > 0) return 'parked'
  endTracking(session)
  const { lanes } = session.shared
  const pair = lanes.anonymousPair()
  if (pair !== session.pair) session.moveTo(pair)
  session.transaction = null
  session.watch?.end()
  session.watch = null
  endStreams(session)
  session.replyMode.on()
  session.hints.noEvict = false
  session.hints.noTouch = false
  session.hints.debugs = false
  session.user = 'default'
  session.name = ''
  session.setContext(2, 0)
  return answer(session, replies.reset)
}
