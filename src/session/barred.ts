/** What a client may not send while it is subscribed (in RESP2) or monitors, in a server's own words. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { lookup } from '../commands/lookup.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import { encodeError } from '../resp/encode.ts'
import { refusalOf } from './answers.ts'
import type { ClientSession } from './client-session.ts'

const allowedWhileSubscribed = new Set(['ping', 'quit', 'reset'])
/** Reads of all keys, which COMMAND does not tell apart from reads of the server. */
const keyspaceReads = new Set(['dbsize', 'keys', 'randomkey', 'scan'])
const shownLength = 128

export const isBarred = (session: ClientSession, spec: CommandSpec): boolean =>
  barredBySubscription(session, spec) || barredByMonitor(session, spec)

/** The error for a command that may not be sent now; null where it may. */
export function barredNow(session: ClientSession, spec: CommandSpec, args: ArgView): Buffer | null {
  const subscribed = barredBySubscription(session, spec)
  if (!subscribed && !barredByMonitor(session, spec)) return null
  // A command that does not exist, or has too few arguments, is told so first; and it must not reach a server, which may know it.
  if (spec.kind === Kind.Unknown) return encodeError(unknownCommandText(args))
  if (spec.kind === Kind.Container || !arityOk(spec, args.argc)) return refusalOf(spec, args)
  if (!subscribed) return encodeError("ERR Replica can't interact with the keyspace")
  return encodeError(
    `ERR Can't execute '${spec.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
  )
}

function barredBySubscription(session: ClientSession, spec: CommandSpec): boolean {
  if (session.protocol !== 2 || session.subscriptions?.active !== true) return false
  return spec.kind !== Kind.PubSub && !allowedWhileSubscribed.has(spec.name)
}

function barredByMonitor(session: ClientSession, spec: CommandSpec): boolean {
  if (!session.shared.monitors.has(session)) return false
  return spec.write || spec.kind === Kind.ReadPlain || spec.kind === Kind.ReadMovable || keyspaceReads.has(spec.name)
}

function unknownCommandText(args: ArgView): string {
  const word = (i: number): string => argBytes(args, i).toString('latin1').slice(0, shownLength)
  const parent = lookup(args.buf, args.offsets[0] as number, args.offsets[1] as number)
  if (parent.kind === Kind.Container) return `ERR unknown subcommand '${word(1)}'. Try ${parent.name.toUpperCase()} HELP.`
  let shown = ''
  for (let i = 1; i < args.argc && shown.length < shownLength; i++) shown += `'${word(i).slice(0, shownLength - shown.length)}' `
  return `ERR unknown command '${word(0)}', with args beginning with: ${shown}`
}
