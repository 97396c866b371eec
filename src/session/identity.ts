/** Who a client is and which protocol it speaks: AUTH and HELLO. Credentials are the servers' own; Ferry keeps none and decides nothing. */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import type { Sent } from '../dispatch/frame.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import { pairsMax } from '../dispatch/lanes.ts'
import { wireError } from '../errors.ts'
import { encodeBulk, encodeError, encodeInteger, encodeMap, replies } from '../resp/encode.ts'
import type { Credentials } from '../upstream/handshake.ts'
import { answer } from './answers.ts'
import type { ClientSession } from './client-session.ts'

/** How long a new user's lanes may take to be opened. */
const admissionMs = 5_000
/** How long a new user waits for the follower's lane as well. */
const followerFirstMs = 200

export function authenticate(session: ClientSession, args: ArgView): Sent {
  if (args.argc > 3) return answer(session, encodeError('ERR syntax error'))
  const credentials = {
    username: args.argc === 3 ? argBytes(args, 1).toString() : null,
    password: argBytes(args, args.argc - 1).toString(),
  }
  const pair = admit(session, credentials)
  if (pair === 'parked') return 'parked'
  if (Buffer.isBuffer(pair)) return answer(session, pair)
  enter(session, pair, credentials)
  return answer(session, replies.ok)
}

/** The pair of admitted lanes for these credentials, an error reply, or 'parked' while the server is being asked. */
function admit(session: ClientSession, credentials: Credentials): LanePair | Buffer | 'parked' {
  const { core, lanes } = session.shared
  const pair = lanes.pairFor(credentials)
  if (pair === null) return wireError('limit', `${pairsMax} users are connected already`)
  const lane = core.authorityLane(pair)
  const decides = pair.doorkeeper ?? lane
  if (decides.up && !decides.admitted) {
    const refusal = encodeError(decides.lastError ?? 'WRONGPASS invalid username-password pair or user is disabled.')
    if (pair.clients === 0) lanes.discard(pair)
    return refusal
  }
  if (!lane.up) {
    const waitedMs = session.parkedSinceMs === 0 ? 0 : core.turn.nowMs - session.parkedSinceMs
    if (waitedMs > admissionMs) {
      return wireError('authority-unavailable', `${lane.side} is not reachable (${lane.lastError ?? 'connecting'})`)
    }
    lanes.wait(session)
    setTimeout(() => session.unpark(), admissionMs + 1).unref()
    return 'parked'
  }
  const follower = pair.lane(core.traffic.follower)
  const waitedMs = session.parkedSinceMs === 0 ? 0 : core.turn.nowMs - session.parkedSinceMs
  if (follower.tried || waitedMs > followerFirstMs) return pair
  // Its first writes would go past a follower that is there.
  lanes.wait(session)
  setTimeout(() => session.unpark(), followerFirstMs + 1).unref()
  return 'parked'
}

function enter(session: ClientSession, pair: LanePair, credentials: Credentials): void {
  session.moveTo(pair)
  session.user = credentials.username ?? 'default'
  session.tracking?.refresh()
}

/** HELLO [2|3 [AUTH user password] [SETNAME name]]; a failing AUTH leaves everything as it was. */
export function hello(session: ClientSession, args: ArgView): Sent {
  let protocol = session.protocol
  if (args.argc > 1) {
    protocol = argInteger(args, 1)
    if (Number.isNaN(protocol)) return answer(session, encodeError('ERR Protocol version is not an integer or out of range'))
    if (protocol !== 2 && protocol !== 3) return answer(session, encodeError('NOPROTO unsupported protocol version'))
  }
  const options = helloOptions(args)
  if (typeof options === 'string') return answer(session, encodeError(options))
  let pair: LanePair | null = null
  if (options.credentials !== null) {
    const admitted = admit(session, options.credentials)
    if (admitted === 'parked') return 'parked'
    if (Buffer.isBuffer(admitted)) return answer(session, admitted)
    pair = admitted
  }
  const asked = pair ?? session.pair
  const lane = asked.doorkeeper ?? session.shared.core.authorityLane(asked)
  if (lane.up && !lane.admitted) {
    return answer(
      session,
      encodeError(
        'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
      ),
    )
  }
  if (pair !== null && options.credentials !== null) enter(session, pair, options.credentials)
  if (options.name !== null) session.name = options.name
  session.setContext(protocol, session.db)
  session.tracking?.refresh()
  return answer(session, greeting(session))
}

interface HelloOptions {
  credentials: Credentials | null
  name: string | null
}

function helloOptions(args: ArgView): HelloOptions | string {
  const options: HelloOptions = { credentials: null, name: null }
  for (let i = 2; i < args.argc; ) {
    if (argIs(args, i, 'auth') && i + 2 < args.argc) {
      options.credentials = { username: argBytes(args, i + 1).toString(), password: argBytes(args, i + 2).toString() }
      i += 3
    } else if (argIs(args, i, 'setname') && i + 1 < args.argc) {
      options.name = argBytes(args, i + 1).toString('latin1')
      if (!validName(options.name)) return 'ERR Client names cannot contain spaces, newlines or special characters.'
      i += 2
    } else return `ERR Syntax error in HELLO option '${argBytes(args, i).toString('latin1').slice(0, 64)}'`
  }
  return options
}

export const validName = (name: string): boolean => /^[\x21-\x7e\x80-\xff]*$/.test(name)

function greeting(session: ClientSession): Buffer {
  const server = session.shared.lanes.lane(session.shared.core.traffic.authority).server
  const text = (value: string): Buffer => encodeBulk(value)
  return encodeMap(
    [
      text('server'),
      text(server.family),
      text('version'),
      text(server.version),
      text('proto'),
      encodeInteger(session.protocol),
      text('id'),
      encodeInteger(session.id),
      text('mode'),
      text(session.shared.cluster === null ? 'standalone' : 'cluster'),
      text('role'),
      text('master'),
      text('modules'),
      replies.emptyArray,
    ],
    session.protocol,
  )
}
