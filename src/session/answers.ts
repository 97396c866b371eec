/** What any command may be answered: an error in words for its user, or nothing yet because the authority has to be waited for. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { blocks } from '../commands/keys.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import type { Sent } from '../dispatch/frame.ts'
import { wireError } from '../errors.ts'
import { encodeError } from '../resp/encode.ts'
import type { ClientSession } from './client-session.ts'

/** Runs `go` once the authority can be asked; until then the session is parked, for a limited time. */
export function withAuthority(session: ClientSession, go: () => Sent): Sent {
  const { core, lanes } = session.shared
  const lane = core.authorityLane(session.pair)
  if (core.accepts(lane)) return go()
  const decides = session.pair.doorkeeper ?? lane
  if (decides.up && !decides.admitted) return answer(session, encodeError(decides.lastError ?? 'NOAUTH Authentication required.'))
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

export function answer(session: ClientSession, bytes: Buffer): Sent {
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
