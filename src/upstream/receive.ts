/**
 * Reading without Node's stream machinery: every socket reads into one buffer, and what arrived is copied out of it before the next
 * read. A copy of some hundred bytes costs a fraction of the 64 KB that would otherwise be allocated, shrunk and collected per read.
 */
import { type OnReadOpts, Socket } from 'node:net'
import { chunkBytes, chunkReadLeast, nextChunk } from './chunks.ts'

const shared = Buffer.allocUnsafeSlow(chunkBytes)

/** For sockets that Ferry opens. `take` owns its chunk. */
export function readInto(take: (chunk: Buffer) => void): OnReadOpts {
  return {
    buffer: shared,
    callback: (bytes) => {
      const chunk = bytes >= chunkReadLeast ? nextChunk(bytes) : Buffer.allocUnsafe(bytes)
      shared.copy(chunk, 0, 0, bytes)
      take(chunk)
      return true
    },
  }
}

/** Takes bytes that lie in [start, end) of `buf`; they are never written to again, but others may follow in the same buffer. */
export type TakeBytes = (buf: Buffer, start: number, end: number) => void

const slabBytes = 32_768
/** Longer reads get a buffer of their own. */
const slabReadMax = 4_096
/** For fewer bytes than this a loop is cheaper than the view that a native copy needs. */
const loopBytes = 128
let slab = Buffer.allocUnsafeSlow(slabBytes)
let slabEnd = 0

/**
 * What clients send is put one behind the other into a slab: no buffer object per read, and commands that arrived in one turn, of
 * whichever client, lie side by side and leave to a lane as one slice. Whoever keeps bytes for long copies them, or keeps the slab.
 */
function takeShared(bytes: number, take: TakeBytes): void {
  if (bytes > slabReadMax) {
    const chunk = Buffer.allocUnsafeSlow(bytes)
    shared.copy(chunk, 0, 0, bytes)
    take(chunk, 0, bytes)
    return
  }
  if (slabEnd + bytes > slabBytes) {
    slab = Buffer.allocUnsafeSlow(slabBytes)
    slabEnd = 0
  }
  const start = slabEnd
  slabEnd += bytes
  if (bytes < loopBytes) for (let i = 0; i < bytes; i++) slab[start + i] = shared[i] as number
  else shared.copy(slab, start, 0, bytes)
  take(slab, start, slabEnd)
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
export function adopt(accepted: Socket, take: TakeBytes): Socket {
  const old = accepted as unknown as Accepted
  const handle = old._handle
  if (typeof handle?.useUserBuffer !== 'function') {
    accepted.on('data', (chunk: Buffer) => take(chunk, 0, chunk.length))
    return accepted
  }
  const onread: OnReadOpts = {
    buffer: shared,
    callback: (bytes) => {
      takeShared(bytes, take)
      return true
    },
  }
  const socket = new Socket({ handle, onread } as ConstructorParameters<typeof Socket>[0])
  const fresh = socket as unknown as Accepted
  fresh._server = old._server
  old._server = null
  old._handle = null
  return socket
}
