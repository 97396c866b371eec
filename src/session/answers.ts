/** What any command may be answered: an error in words for its user, or nothing yet because the authority has to be waited for. */
import { isAllowable } from '../commands/allowances.ts'
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import type { Sent } from '../dispatch/frame.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { wireError } from '../errors.ts'
import { encodeError } from '../resp/encode.ts'
import type { ClientSession } from './client-session.ts'

/**
 * Runs `go` once the authority can be asked; until then the session is parked, for a limited time.
 * @param refused `go` will not be run: the client gets an error instead.
 */
export function withAuthority(session: ClientSession, go: () => Sent, refused?: () => void): Sent {
  const { core, lanes } = session.shared
  const lane = core.authorityLane(session.pair)
  if (core.accepts(lane)) return go()
  const notAdmitted = refusalAtDoor(session)
  if (notAdmitted !== null) {
    refused?.()
    return answer(session, notAdmitted)
  }
  const waitedMs = session.parkedSinceMs === 0 ? 0 : core.turn.nowMs - session.parkedSinceMs
  const leftMs = core.limits.authorityWaitMs - waitedMs
  if (leftMs > 0) {
    lanes.wait(session)
    setTimeout(() => session.unpark(), leftMs + 1).unref()
    return 'parked'
  }
  core.counters.clientError('authority-unavailable')
  refused?.()
  return answer(
    session,
    wireError('authority-unavailable', `${lane.side} is not reachable (${lane.lastError ?? 'connecting'}); nothing was sent`),
  )
}

/** What a server says to a client that it does not know; null where it lets it in, or cannot be asked now. */
export function refusalAtDoor({ pair, shared: { core } }: ClientSession): Buffer | null {
  const decides = pair.doorkeeper ?? core.authorityLane(pair)
  if (!decides.up || decides.admitted) return null
  return encodeError(decides.lastError ?? 'NOAUTH Authentication required.')
}

/** In cluster mode, what a cluster says to a command that leaves database 0; null where it may go on. */
export function refusalOutside({ shared }: ClientSession, { name }: CommandSpec, databases: readonly number[]): Buffer | null {
  const { cluster, core, lanes } = shared
  return cluster === null ? null : cluster.refusalOf({ name, databases }, lanes.lane(core.traffic.authority).server)
}

export function answer(session: ClientSession, bytes: Buffer): Sent {
  session.replies.answer(bytes)
  return 'sent'
}

/** Nothing behind the command is looked at until the reply is given; once. */
export function answerLater(session: ClientSession): (bytes: Buffer) => void {
  const slot = new ReplySlot()
  session.replies.push(slot)
  session.holdBack()
  return (bytes) => {
    session.replies.deliver(slot, bytes, 0, bytes.length, true)
    session.goOn()
  }
}

/** Why this command is not carried, in words for its user; null where it is. */
export function refusalOf(spec: CommandSpec, args: ArgView): Buffer | null {
  const name = spec.name.replace('|', ' ')
  switch (spec.kind) {
    case Kind.Refused:
      return wireError(
        'unsupported',
        `'${name}': ${spec.reason}${isAllowable(spec.name) ? `, or allow it (allowCommands: ['${spec.name}'])` : ''}`,
      )
    case Kind.Container:
      return args.argc < 2
        ? wrongArity(name)
        : encodeError(`ERR unknown subcommand '${shownText(argBytes(args, 1))}'. Try ${name.toUpperCase()} HELP.`)
    default:
      return arityOk(spec, args.argc) ? null : wrongArity(name)
  }
}

export const wrongArity = (name: string): Buffer =>
  encodeError(`ERR wrong number of arguments for '${name.replace(' ', '|')}' command`)

const shownText = (bytes: Buffer): string =>
  bytes
    .subarray(0, 128)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '?')
