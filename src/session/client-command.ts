/** CLIENT: what a server would say of its own connections, said of Ferry's. */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import type { CommandSpec } from '../commands/spec.ts'
import type { Sent } from '../dispatch/frame.ts'
import { wireError } from '../errors.ts'
import { encodeBulk, encodeError, encodeInteger, replies } from '../resp/encode.ts'
import { answer } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import { validName } from './identity.ts'

export function handleClient(session: ClientSession, spec: CommandSpec, args: ArgView): Sent {
  switch (spec.name) {
    case 'client|id':
      return answer(session, encodeInteger(session.id))
    case 'client|getname':
      return answer(session, session.name === '' ? nullOf(session) : encodeBulk(Buffer.from(session.name, 'latin1')))
    case 'client|setname':
      return answer(session, setName(session, argBytes(args, 2).toString('latin1')))
    case 'client|setinfo':
      return answer(session, setInfo(session, args))
    case 'client|info':
      return answer(session, encodeBulk(`${session.describe()}\n`))
    case 'client|list':
      return answer(session, list(session, args))
    case 'client|kill':
      return answer(session, kill(session, args))
    // Hints about eviction and access times: Ferry's connection to the server is shared, so there they would touch everybody.
    case 'client|no-evict':
    case 'client|no-touch':
      return answer(session, replies.ok)
    case 'client|unblock':
      return answer(session, replies.zero)
    case 'client|getredir':
      return answer(session, encodeInteger(-1))
    case 'client|reply':
      if (argIs(args, 2, 'on')) return answer(session, replies.ok)
      break
    case 'client|tracking':
      if (argIs(args, 2, 'off')) return answer(session, replies.ok)
      break
  }
  session.shared.core.counters.clientError('unsupported')
  return answer(session, wireError('unsupported', `'${spec.name.replace('|', ' ')}' is not carried yet`))
}

const nullOf = (session: ClientSession): Buffer => (session.protocol === 3 ? replies.null3 : replies.nullBulk)

function setName(session: ClientSession, name: string): Buffer {
  if (!validName(name)) return encodeError('ERR Client names cannot contain spaces, newlines or special characters.')
  session.name = name
  return replies.ok
}

function setInfo(session: ClientSession, args: ArgView): Buffer {
  const value = argBytes(args, 3).toString('latin1')
  if (!validName(value))
    return encodeError(`ERR ${argBytes(args, 2).toString('latin1')} cannot contain spaces, newlines or special characters.`)
  if (argIs(args, 2, 'lib-name')) session.library = value
  else if (argIs(args, 2, 'lib-ver')) session.libraryVersion = value
  else return encodeError(`ERR Unrecognized option '${argBytes(args, 2).toString('latin1').slice(0, 64)}'`)
  return replies.ok
}

function list(session: ClientSession, args: ArgView): Buffer {
  let chosen = [...session.shared.sessions.values()]
  if (args.argc > 2) {
    if (!argIs(args, 2, 'id')) return encodeError('ERR syntax error')
    const ids = new Set(Array.from({ length: args.argc - 3 }, (_, i) => argInteger(args, i + 3)))
    chosen = chosen.filter((other) => ids.has(other.id))
  }
  return encodeBulk(chosen.map((other) => `${other.describe()}\n`).join(''))
}

/** CLIENT KILL ID n, ADDR a:p, or the old form with an address alone. */
function kill(session: ClientSession, args: ArgView): Buffer {
  const oldForm = args.argc === 3
  const value = argBytes(args, oldForm ? 2 : 3).toString('latin1')
  if (!oldForm && args.argc !== 4) return wireError('unsupported', 'CLIENT KILL takes one filter here: ID or ADDR')
  const byId = !oldForm && argIs(args, 2, 'id')
  if (!oldForm && !byId && !argIs(args, 2, 'addr'))
    return wireError('unsupported', 'CLIENT KILL takes one filter here: ID or ADDR')
  let killed = 0
  for (const other of session.shared.sessions.values()) {
    const matches = byId ? String(other.id) === value : `${other.socket.remoteAddress}:${other.socket.remotePort}` === value
    if (!matches) continue
    killed++
    if (other.id === session.id) session.closeAfterReplies()
    else other.abort('killed')
  }
  if (oldForm) return killed > 0 ? replies.ok : encodeError('ERR No such client')
  return encodeInteger(killed)
}
