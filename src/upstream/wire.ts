/**
 * What a lane writes to: a socket, or what looks like one and leads to several servers (src/cluster). The bytes that come back are
 * handed to whoever opened it.
 */
import type { Credentials } from './handshake.ts'

export interface Wire {
  /** Bytes that were written and have not left yet. */
  readonly writableLength: number
  readonly bytesWritten: number
  write(bytes: Buffer): unknown
  cork(): void
  uncork(): void
  pause(): unknown
  resume(): unknown
  isPaused(): boolean
  destroy(): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'close', listener: () => void): unknown
  /** Of a wire to several servers; of a socket, null. */
  readonly several?: Several
}

/** What only a wire to several servers can do: lose one of them and go on with the others. */
export interface Several {
  /** A server may still run what was sent to it before it was lost. */
  readonly orphaned: boolean
  /** No reply for too long: gives up the server that owes the first one. False where none does. */
  stalled(error: Error): boolean
}

export interface DialOptions {
  readonly credentials: Credentials
  /** A server that is busy with a script is good enough. */
  readonly whileBusy: boolean
  /** Whether one server of several may be lost without the others: for lanes that nobody keeps state on, and whose waiters need no more than `lost`. */
  readonly singly: boolean
  /** A command was run later than others that were sent behind it; told before it is answered. */
  readonly reordered: (frame: Buffer, context: number) => void
}

/** Opens a wire; `connected` once it can be written to, `take` for every chunk that comes. */
export type Dial = (options: DialOptions, connected: () => void, take: (chunk: Buffer) => void) => Wire

/**
 * In place of the reply of a server that was lost among several: nobody knows whether its command was run. Always a chunk of its own, and
 * never sent by a server.
 */
export const lostReplyPrefix = Buffer.from('-FERRYLOST ')

export const isLostReply = (bytes: Buffer): boolean => bytes.subarray(0, lostReplyPrefix.length).equals(lostReplyPrefix)
