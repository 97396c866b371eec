/** CLIENT: what a server would say of its own connections, said of Ferry's. */
import { type ArgView, argBytes, argInteger, argIs, argViewOf } from '../commands/arg-view.ts'
import type { CommandSpec } from '../commands/spec.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { wireError } from '../errors.ts'
import { encodeBulk, encodeError, encodeInteger, encodeText, replies } from '../resp/encode.ts'
import { answer } from './answers.ts'
import { unblock } from './blocking.ts'
import { killClients, listClients } from './client-list.ts'
import { pauseMsMax } from './client-pause.ts'
import type { ClientSession } from './client-session.ts'
import { validName } from './identity.ts'
import { withPermission } from './permission.ts'
import { caching, redirectOf, switchTracking, trackingInfo } from './tracking-command.ts'

/** No connection ever has it: a server counts them from 1. */
const nobody = '9223372036854775807'
const syntaxError = encodeError('ERR syntax error')

export function handleClient(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  switch (spec.name) {
    case 'client|id':
      return answer(session, encodeInteger(session.id))
    case 'client|getname':
      return answer(session, session.name === '' ? nullOf(session) : encodeBulk(Buffer.from(session.name, 'latin1')))
    case 'client|setname':
      return answer(session, setName(session, argBytes(args, 2).toString('latin1')))
    case 'client|setinfo':
      return answer(session, setInfo(session, args))
    case 'client|capa':
      session.hints.redirects ||= words(args, 2).includes('redirect')
      return answer(session, replies.ok)
    case 'client|info':
      return answer(session, encodeText(Buffer.from(`${session.describe()}\n`, 'latin1'), session.protocol))
    case 'client|help':
      session.shared.reads.read(session, spec, args, frame)
      return 'sent'
    case 'client|no-evict':
      return withPermission(session, spec.name, ['CLIENT', 'NO-EVICT', 'maybe'], bound(session, args, noEvict))
    case 'client|no-touch':
      return answer(session, hint(session, args, 'noTouch'))
    case 'client|unblock':
      return unblock(session, args)
    case 'client|reply':
      return setReplies(session, args)
    case 'client|tracking':
      return switchTracking(session, args)
    case 'client|caching':
      return caching(session, args)
    case 'client|getredir':
      return answer(session, encodeInteger(redirectOf(session)))
    case 'client|trackinginfo':
      return answer(session, trackingInfo(session))
  }
  return administer(session, spec, args)
}

/** What touches other clients: the server says whether this user may. */
function administer(session: ClientSession, spec: CommandSpec, args: ArgView): Sent {
  switch (spec.name) {
    case 'client|list':
      return withPermission(
        session,
        spec.name,
        ['CLIENT', 'LIST', 'ID', nobody, ...userIn(args)],
        bound(session, args, listClients),
      )
    case 'client|kill':
      return withPermission(
        session,
        spec.name,
        ['CLIENT', 'KILL', 'ID', nobody, ...userIn(args)],
        bound(session, args, killClients),
      )
    case 'client|pause':
      return withPermission(session, spec.name, ['CLIENT', 'PAUSE', 'maybe'], bound(session, args, pause))
    case 'client|unpause':
      return withPermission(session, spec.name, ['CLIENT', 'PAUSE', 'maybe'], bound(session, args, unpause))
  }
  session.shared.core.counters.clientError('unsupported')
  return answer(session, wireError('unsupported', `'${spec.name.replace('|', ' ')}' is not carried yet`))
}

/** The filter by which the server can say that there is no such user. */
function userIn(args: ArgView): string[] {
  const own = words(args, 2)
  const user = own.findIndex((word) => word === 'user' || word === 'not-user') + 1
  return user > 0 && user < own.length ? ['USER', argBytes(args, user + 2).toString()] : []
}

/** With arguments of its own: those that were read are the reader's, which has moved on by then. */
function bound(session: ClientSession, args: ArgView, go: (session: ClientSession, args: ArgView) => Buffer): () => Buffer {
  const own = argViewOf(Array.from({ length: args.argc }, (_, i) => Buffer.from(argBytes(args, i))))
  return () => go(session, own)
}

const words = (args: ArgView, from: number): string[] =>
  Array.from({ length: args.argc - from }, (_, i) =>
    argBytes(args, from + i)
      .toString('latin1')
      .toLowerCase(),
  )

const nullOf = (session: ClientSession): Buffer => (session.protocol === 3 ? replies.null3 : replies.nullBulk)

function setName(session: ClientSession, name: string): Buffer {
  if (!validName(name)) return encodeError('ERR Client names cannot contain spaces, newlines or special characters.')
  session.name = name
  return replies.ok
}

function setInfo(session: ClientSession, args: ArgView): Buffer {
  const value = argBytes(args, 3).toString('latin1')
  const option = argBytes(args, 2).toString('latin1')
  const known = argIs(args, 2, 'lib-name') || argIs(args, 2, 'lib-ver')
  if (!known) return encodeError(`ERR Unrecognized option '${option.slice(0, 64)}'`)
  if (!validName(value)) return encodeError(`ERR ${option} cannot contain spaces, newlines or special characters.`)
  if (argIs(args, 2, 'lib-name')) session.library = value
  else session.libraryVersion = value
  return replies.ok
}

/** About eviction and access times: Ferry's connection to the server is shared, so there they would touch everybody. Told by CLIENT LIST. */
function hint(session: ClientSession, args: ArgView, which: 'noEvict' | 'noTouch'): Buffer {
  const on = argIs(args, 2, 'on')
  if (!on && !argIs(args, 2, 'off')) return syntaxError
  session.hints[which] = on
  return replies.ok
}

const noEvict = (session: ClientSession, args: ArgView): Buffer => hint(session, args, 'noEvict')

function setReplies(session: ClientSession, args: ArgView): Sent {
  const { replyMode } = session
  if (argIs(args, 2, 'on')) {
    replyMode.on()
    return answer(session, replies.ok)
  }
  if (argIs(args, 2, 'off')) replyMode.off()
  else if (argIs(args, 2, 'skip')) replyMode.skip()
  else return answer(session, syntaxError)
  return 'sent'
}

function pause(session: ClientSession, args: ArgView): Buffer {
  if (args.argc > 4) {
    const shown = argBytes(args, 1).toString('latin1').slice(0, 128)
    return encodeError(`ERR unknown subcommand or wrong number of arguments for '${shown}'. Try CLIENT HELP.`)
  }
  const writes = argIs(args, 3, 'write')
  if (args.argc === 4 && !writes && !argIs(args, 3, 'all')) {
    return encodeError('ERR CLIENT PAUSE mode must be WRITE or ALL')
  }
  const lengthMs = argInteger(args, 2)
  if (Number.isNaN(lengthMs)) return encodeError('ERR timeout is not an integer or out of range')
  if (lengthMs < 0) return encodeError('ERR timeout is negative')
  if (lengthMs > pauseMsMax) return wireError('limit', `a pause may last ${pauseMsMax} ms`)
  session.shared.pauses.begin(lengthMs, !writes)
  return replies.ok
}

function unpause(session: ClientSession): Buffer {
  session.shared.pauses.end()
  return replies.ok
}
