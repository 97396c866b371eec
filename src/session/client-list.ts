/** CLIENT LIST and CLIENT KILL over Ferry's own clients. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { isSince } from '../commands/server-name.ts'
import { encodeError, encodeInteger, encodeText, replies } from '../resp/encode.ts'
import { type ClientFilter, matches, readFilter } from './client-filter.ts'
import type { ClientSession } from './client-session.ts'
import type { OpenSession } from './session-context.ts'

export function listClients(session: ClientSession, args: ArgView): Buffer {
  const filter = readFilter(args, textsAnew(session), false)
  if (typeof filter === 'string') return encodeError(filter)
  const me = filter.skipMe === true ? session.id : 0
  const lines = chosen(session, filter)
    .filter(({ id }) => id !== me)
    .map((other) => `${other.describe()}\n`)
  return encodeText(Buffer.from(lines.join(''), 'latin1'), session.protocol)
}

/** One client by its address, or all that every filter fits; by filters not the caller, unless it says so. */
export function killClients(session: ClientSession, args: ArgView): Buffer {
  if (args.argc === 3) {
    const address = argBytes(args, 2).toString('latin1')
    const found = [...session.shared.sessions.values()].filter((other) => other.facts().address === address)
    for (const other of found) kill(session, other)
    return found.length > 0 ? replies.ok : encodeError('ERR No such client')
  }
  const filter = readFilter(args, textsAnew(session), true)
  if (typeof filter === 'string') return encodeError(filter)
  const me = filter.skipMe === false ? 0 : session.id
  const found = chosen(session, filter).filter(({ id }) => id !== me)
  for (const other of found) kill(session, other)
  return encodeInteger(found.length)
}

/** Whoever kills itself is told so first. */
function kill(session: ClientSession, other: OpenSession): void {
  if (other.id === session.id) setImmediate(() => session.closeAfterReplies())
  else other.abort('killed')
}

function chosen(session: ClientSession, filter: ClientFilter): OpenSession[] {
  const { sessions } = session.shared
  if (filter.ids !== null) {
    return filter.ids.flatMap((id) => {
      const other = sessions.get(id)
      return other === undefined || !matches(filter, other.facts()) ? [] : [other]
    })
  }
  return [...sessions.values()].filter((other) => matches(filter, other.facts()))
}

const textsAnew = ({ shared: { core, lanes } }: ClientSession): boolean =>
  isSince(lanes.lane(core.traffic.authority).server, { redis: null, valkey: '8.1' })
