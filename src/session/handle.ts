/** One command off the hot path, by its kind. Either answered, sent, or parked; a refusal is an answer that says what to do. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { blocks } from '../commands/keys.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import type { Frame, Sent } from '../dispatch/write-path.ts'
import { wireError } from '../errors.ts'
import { encodeError } from '../resp/encode.ts'
import { handleLocal } from './local-commands.ts'
import type { Session } from './session.ts'
import { handleTransaction, queueCommand } from './transaction.ts'

export function handleCommand(session: Session, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  if (spec.kind === Kind.Transaction) return withAuthority(session, () => handleTransaction(session, spec, args))
  const local = session.transaction === null || spec.name === 'reset' || spec.name === 'quit'
  if (spec.kind === Kind.Session && local) return handleLocal(session, spec, args, frame)
  const refusal = refusalOf(spec, args)
  if (refusal !== null) {
    session.transaction?.fail()
    session.shared.core.counters.clientError('unsupported')
    return answer(session, refusal)
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
    const { core } = session.shared
    const anySide = core.accepts(session.pair.source) || core.accepts(session.pair.target)
    if (anySide && core.traffic.mirrored) return session.shared.writes.write(session, spec, args, frame)
  }
  return withAuthority(session, () => session.shared.writes.write(session, spec, args, frame))
}

/** Runs `go` once the authority can be asked; until then the session is parked, for a limited time. */
export function withAuthority(session: Session, go: () => Sent): Sent {
  const { core, lanes } = session.shared
  const lane = core.authorityLane(session.pair)
  if (core.accepts(lane)) return go()
  if (lane.up && !lane.admitted) return answer(session, encodeError(lane.lastError ?? 'NOAUTH Authentication required.'))
  const waitedMs = session.parkedSinceMs === 0 ? 0 : core.turn.nowMs - session.parkedSinceMs
  const leftMs = core.limits.authorityWaitMs - waitedMs
  if (leftMs > 0) {
    lanes.wait(session)
    setTimeout(() => session.unpark(), leftMs + 1).unref()
    return 'parked'
  }
  core.counters.clientError('authority-unavailable')
  return answer(
    session,
    wireError('authority-unavailable', `${lane.side} is not reachable (${lane.lastError ?? 'connecting'}); nothing was sent`),
  )
}

export function answer(session: Session, bytes: Buffer): Sent {
  session.replies.answer(bytes)
  return 'sent'
}

/** Why this command is not carried, in words for its user; null where it is. */
export function refusalOf(spec: CommandSpec, args: ArgView): Buffer | null {
  const name = spec.name.replace('|', ' ')
  switch (spec.kind) {
    case Kind.Refused:
      return wireError('unsupported', `'${name}': ${spec.reason}`)
    case Kind.PubSub:
      return wireError('unsupported', `'${name}': subscriptions are not carried yet; connect to the server for them`)
    case Kind.Blocking:
      return wireError('unsupported', `'${name}': blocking commands are not carried yet; use the form that does not block`)
    case Kind.Container:
      return args.argc < 2
        ? wrongArity(name)
        : encodeError(`ERR unknown subcommand '${shownText(argBytes(args, 1))}'. Try ${name.toUpperCase()} HELP.`)
    default:
      if (spec.mayBlock && blocks(spec, args)) {
        return wireError('unsupported', `'${name}' with BLOCK: blocking commands are not carried yet; poll without BLOCK`)
      }
      return arityOk(spec, args.argc) ? null : wrongArity(name)
  }
}

const wrongArity = (name: string): Buffer => encodeError(`ERR wrong number of arguments for '${name.replace(' ', '|')}' command`)

const shownText = (bytes: Buffer): string =>
  bytes
    .subarray(0, 128)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '?')
