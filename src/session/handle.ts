/** One command off the hot path, by its kind. Either answered, sent, or parked; a refusal is an answer that says what to do. */
import { type ArgView, argIs } from '../commands/arg-view.ts'
import { destinationDb } from '../commands/keys.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { encodeError } from '../resp/encode.ts'
import { answer, refusalOf, withAuthority } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import { handleLocal } from './local-commands.ts'
import { handleTransaction, queueCommand } from './transaction.ts'

export function handleCommand(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  if (spec.kind === Kind.Unknown && isHttp(args)) return hangUp(session)
  if (spec.write || spec.kind === Kind.Transaction) session.shared.reads.settle(session)
  if (spec.kind === Kind.Transaction) return withAuthority(session, () => handleTransaction(session, spec, args))
  const local = session.transaction === null || spec.name === 'reset' || spec.name === 'quit'
  if (spec.kind === Kind.Session && local) return handleLocal(session, spec, args, frame)
  const refusal = refusalOf(spec, args)
  if (refusal !== null) {
    session.transaction?.fail()
    session.shared.core.counters.clientError('unsupported')
    return answer(session, refusal)
  }
  const db = destinationDb(spec, args)
  const verdict = db >= 0 ? session.shared.databases.verdict(db, session) : 'ok'
  if (verdict === null) return 'parked'
  if (verdict !== 'ok') {
    // Its key could never be copied there; and a SELECT that fails would cut the lane that everybody shares.
    session.transaction?.fail()
    return answer(session, encodeError(verdict))
  }
  if (session.transaction !== null) return queueCommand(session, session.transaction, spec, args, frame)
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
    if (alone && writes.suitsEitherSide(spec, args, frame, session.db)) return writes.write(session, spec, args, frame)
  }
  return withAuthority(session, () => session.shared.writes.write(session, spec, args, frame))
}

/** A browser that was led to this port. Servers close such a connection at once, and here it would be the lane that everybody shares. */
const isHttp = (args: ArgView): boolean => argIs(args, 0, 'host:') || argIs(args, 0, 'post')

function hangUp(session: ClientSession): Sent {
  session.shared.core.events.record('client', 'a client that speaks HTTP was cut off', { data: { client: session.id } })
  session.closeAfterReplies()
  return 'sent'
}
