/** A session as a line of CLIENT LIST, in a server's own words. */
import type { ClientSession } from './client-session.ts'

export function describe(session: ClientSession): string {
  const { socket } = session
  const ageSeconds = Math.floor((Date.now() - session.connectedAtMs) / 1000)
  const address = socket.remoteAddress === undefined ? 'unix:0' : `${socket.remoteAddress}:${socket.remotePort}`
  const multi = session.transaction === null ? -1 : session.transaction.length
  return [
    `id=${session.id}`,
    `addr=${address}`,
    `name=${session.name}`,
    `age=${ageSeconds}`,
    `flags=${multi >= 0 ? 'x' : 'N'}`,
    `db=${session.db}`,
    `multi=${multi}`,
    `omem=${session.waitingBytes}`,
    `cmd=${session.lastCommand?.name ?? 'NULL'}`,
    `user=${session.user}`,
    `resp=${session.protocol}`,
    `lib-name=${session.library}`,
    `lib-ver=${session.libraryVersion}`,
  ].join(' ')
}
