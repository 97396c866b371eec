/**
 * Reading without Node's stream machinery: every socket reads into one buffer, and what arrived is copied out of it before the next
 * read. A copy of some hundred bytes costs a fraction of the 64 KB that would otherwise be allocated, shrunk and collected per read.
 */
import { type OnReadOpts, Socket } from 'node:net'

const readBytes = 65_536
const shared = Buffer.allocUnsafeSlow(readBytes)

/** For sockets that Ferry opens. `take` owns its chunk. */
export function readInto(take: (chunk: Buffer) => void): OnReadOpts {
  return {
    buffer: shared,
    callback: (bytes) => {
      const chunk = Buffer.allocUnsafe(bytes)
      shared.copy(chunk, 0, 0, bytes)
      take(chunk)
      return true
    },
  }
}

/** What Node keeps behind a socket that was accepted; it has no public way to say how such a one is to be read. */
interface Accepted {
  _handle: { useUserBuffer?: unknown } | null
  _server: unknown
}

/**
 * For an accepted socket that was not read yet (`pauseOnConnect`): gives the socket to use in its place. Where Node should change
 * behind the scenes, the same socket with its ordinary events.
 */
export function adopt(accepted: Socket, take: (chunk: Buffer) => void): Socket {
  const old = accepted as unknown as Accepted
  const handle = old._handle
  if (typeof handle?.useUserBuffer !== 'function') {
    accepted.on('data', take)
    return accepted
  }
  const socket = new Socket({ handle, onread: readInto(take) } as ConstructorParameters<typeof Socket>[0])
  const fresh = socket as unknown as Accepted
  fresh._server = old._server
  old._server = null
  old._handle = null
  return socket
}
