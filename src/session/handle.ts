/** One command off the hot path, by its kind. Either answered, sent, or parked; a refusal is an answer that says what to do. */
import { type ArgView, argIs } from '../commands/arg-view.ts'
import { waitsForKeys } from '../commands/blocking.ts'
import { namedDbs } from '../commands/keys.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { ScriptKill } from '../dispatch/script-kill.ts'
import { encodeError } from '../resp/encode.ts'
import { handleAllowed } from './allowed-command.ts'
import { answer, refusalOf, refusalOutside, withAuthority, wrongArity } from './answers.ts'
import { barredNow } from './barred.ts'
import { handleBlocking } from './blocking.ts'
import type { ClientSession } from './client-session.ts'
import { handleCluster, isClusterCommand } from './cluster-command.ts'
import { handleLocal } from './local-commands.ts'
import { endDebugging, isDebugged, scriptDebug } from './script-debug.ts'
import { handleSubscription } from './subscribe-command.ts'
import { steered } from './tracking-steer.ts'
import { handleTransaction, queueCommand } from './transaction.ts'
import { handleWait } from './wait-command.ts'

export function handleCommand(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const { pauses } = session.shared
  if (pauses.active && pauses.stops(spec, session.transaction)) {
    pauses.park(session)
    return 'parked'
  }
  const { replyMode } = session
  return replyMode.skipsNext
    ? replyMode.skipped(() => byTracking(session, spec, args, frame))
    : byTracking(session, spec, args, frame)
}

function byTracking(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const { tracking } = session
  if (tracking === null) return carry(session, spec, args, frame)
  return steered(session, tracking, spec, args, frame, () => carry(session, spec, args, frame))
}

function carry(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  if (spec.kind === Kind.Unknown && isHttp(args)) return hangUp(session)
  const barred = barredNow(session, spec, args)
  if (barred !== null) {
    session.transaction?.fail()
    return answer(session, barred)
  }
  if (isDebugged(session, spec)) return endDebugging(session)
  if (spec.kind === Kind.PubSub && session.transaction === null) return handleSubscription(session, spec, args, frame)
  if (spec.write || spec.kind === Kind.Transaction) session.shared.reads.settle(session)
  if (spec.kind === Kind.Transaction) return handleTransaction(session, spec, args, frame)
  if (session.transaction !== null && spec.name !== 'reset' && spec.name !== 'quit')
    return queueCommand(session, session.transaction, spec, args, frame)
  if (spec.kind === Kind.Session) return handleLocal(session, spec, args, frame)
  if (spec.kind === Kind.Refused && session.transaction === null && session.shared.allowed.has(spec.name)) {
    return arityOk(spec, args.argc) ? handleAllowed(session, spec, args, frame) : answer(session, wrongArity(spec.name))
  }
  if (isClusterCommand(spec)) return handleCluster(session, spec, args)
  const refusal = refusalOf(spec, args)
  if (refusal !== null) {
    if (spec.name === 'script|debug') return scriptDebug(session, spec, args, refusal)
    session.shared.core.counters.clientError('unsupported')
    return answer(session, refusal)
  }
  const databases = namedDbs(spec, args)
  const outside = refusalOutside(session, spec, databases)
  if (outside !== null) return answer(session, outside)
  const verdict = session.shared.databases.verdictOn(databases, session)
  if (verdict === null) return 'parked'
  if (verdict !== 'ok') {
    // Its key could never be copied there; and a SELECT that fails would cut the lane that everybody shares.
    return answer(session, encodeError(verdict))
  }
  if (waitsForKeys(spec, args)) return withAuthority(session, () => handleBlocking(session, spec, args, frame))
  if (spec.kind === Kind.Blocking) return withAuthority(session, () => handleWait(session, frame))
  if (spec.name === 'script|kill' || spec.name === 'function|kill') return withAuthority(session, () => kill(session, frame))
  if (isScriptRead(spec)) return withAuthority(session, () => session.shared.writes.scripts.read(session, spec, args, frame))
  if (!spec.write) {
    return withAuthority(session, () => {
      session.shared.reads.read(session, spec, args, frame)
      return 'sent'
    })
  }
  const policy = session.shared.core.traffic.wish.writePolicy
  if (policy === 'best-effort' || policy === 'last-write-wins') {
    const { core, writes } = session.shared
    const alone =
      core.traffic.mirrored && !core.accepts(core.authorityLane(session.pair)) && core.followerLane(session.pair) !== null
    if (alone && writes.carrier.suitsEitherSide(session.pair, spec, args, frame, session.db))
      return writes.write(session, spec, args, frame)
  }
  return withAuthority(session, () => session.shared.writes.write(session, spec, args, frame))
}

const isScriptRead = ({ kind, family }: CommandSpec): boolean => kind === Kind.ReadMovable && family === 'scripting'

function kill(session: ClientSession, frame: Frame): Sent {
  const bytes = frame.pieces === null ? Buffer.from(frame.buf.subarray(frame.start, frame.end)) : Buffer.concat(frame.pieces)
  new ScriptKill(session.shared.core, session, bytes)
  return 'sent'
}

/** A browser that was led to this port. Servers close such a connection at once, and here it would be the lane that everybody shares. */
const isHttp = (args: ArgView): boolean => argIs(args, 0, 'host:') || argIs(args, 0, 'post')

function hangUp(session: ClientSession): Sent {
  session.shared.core.events.record('client', 'a client that speaks HTTP was cut off', { data: { client: session.id } })
  session.closeAfterReplies()
  return 'sent'
}
