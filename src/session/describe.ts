/** A session as a line of CLIENT LIST: the fields of the server that answers, in their order. */
import { isSince, type Release } from '../commands/server-name.ts'
import type { ClientFacts } from './client-facts.ts'
import type { ClientSession } from './client-session.ts'

export function factsOf(session: ClientSession): ClientFacts {
  const { socket } = session
  return {
    id: session.id,
    address: addressOf(socket.remoteAddress, socket.remotePort),
    localAddress: addressOf(socket.localAddress, socket.localPort),
    name: session.name,
    ageSeconds: Math.floor((Date.now() - session.connectedAtMs) / 1000),
    idleSeconds: Math.floor(Math.max(0, session.shared.core.turn.nowMs - session.receivedMs) / 1000),
    flags: flagsOf(session),
    capabilities: session.hints.redirects ? 'r' : '',
    db: session.db,
    user: session.user,
    library: session.library,
    libraryVersion: session.libraryVersion,
    subscribed: session.subscriptions?.active === true,
  }
}

const addressOf = (host: string | undefined, port: number | undefined): string =>
  host === undefined ? 'unix:0' : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** As a server orders them. */
function flagsOf(session: ClientSession): string {
  const { tracking, hints } = session
  const letters: readonly (readonly [boolean, string])[] = [
    [session.shared.monitors.has(session), 'O'],
    [session.subscriptions?.active === true, 'P'],
    [session.transaction !== null, 'x'],
    [session.blocked !== null || session.replicaWait !== null, 'b'],
    [tracking !== null, 't'],
    [tracking?.brokenRedirect === true, 'R'],
    [tracking?.options.bcast === true, 'B'],
    [session.socket.remoteAddress === undefined, 'U'],
    [hints.noEvict, 'e'],
    [hints.noTouch, 'T'],
  ]
  return letters.map(([set, letter]) => (set ? letter : '')).join('') || 'N'
}

/** Which server tells it; what a client says of its own library is told by any. */
const since = {
  capa: { redis: null, valkey: '8.1' },
  watch: { redis: '7.4', valkey: '8.0' },
  'io-thread': { redis: '8.0', valkey: null },
  'tot-net-in': { redis: '8.2', valkey: '8.0' },
  'tot-net-out': { redis: '8.2', valkey: '8.0' },
  'tot-cmds': { redis: '8.2', valkey: '8.0' },
} satisfies Record<string, Release>

/** Without a line break. What Ferry does not count is 0, as it is on a server for a client that does nothing. */
export function describe(session: ClientSession): string {
  const facts = factsOf(session)
  const multi = session.transaction === null ? -1 : session.transaction.length
  const waitingBytes = session.waitingBytes
  const { core, lanes } = session.shared
  const { server } = lanes.lane(core.traffic.authority)
  const told = (field: keyof typeof since, value: string | number): string[] =>
    isSince(server, since[field]) ? [`${field}=${value}`] : []
  return [
    `id=${facts.id}`,
    `addr=${facts.address}`,
    `laddr=${facts.localAddress}`,
    'fd=-1',
    `name=${facts.name}`,
    `age=${facts.ageSeconds}`,
    `idle=${facts.idleSeconds}`,
    `flags=${facts.flags}`,
    ...told('capa', facts.capabilities),
    `db=${facts.db}`,
    `sub=${session.subscriptions?.count('subscribe') ?? 0}`,
    `psub=${session.subscriptions?.count('psubscribe') ?? 0}`,
    `ssub=${session.subscriptions?.count('ssubscribe') ?? 0}`,
    `multi=${multi}`,
    ...told('watch', session.watch?.count ?? 0),
    'qbuf=0',
    'qbuf-free=0',
    'argv-mem=0',
    'multi-mem=0',
    'rbs=0',
    'rbp=0',
    'obl=0',
    `oll=${waitingBytes > 0 ? 1 : 0}`,
    `omem=${waitingBytes}`,
    `tot-mem=${waitingBytes}`,
    'events=r',
    `cmd=${session.lastCommand?.name ?? 'NULL'}`,
    `user=${facts.user}`,
    `redir=${session.tracking?.options.redirect ?? -1}`,
    `resp=${session.protocol}`,
    `lib-name=${facts.library}`,
    `lib-ver=${facts.libraryVersion}`,
    ...told('io-thread', 0),
    ...told('tot-net-in', 0),
    ...told('tot-net-out', 0),
    ...told('tot-cmds', 0),
  ].join(' ')
}
