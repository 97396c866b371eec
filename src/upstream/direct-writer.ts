/**
 * Writing without Node's stream machinery: what the kernel takes at once, which is nearly always all of it, costs one call and no
 * object. Only where it does not, a request object is spent and the rest waits here. Node has no public way to do this; where it
 * should change behind the scenes, the socket itself is used in the same way.
 */
import type { Socket } from 'node:net'

/** As much of a socket as an outbox needs. */
export interface ByteSink {
  /** Bytes handed over that the kernel has not taken yet. */
  readonly writableLength: number
  /** `bytes` must not change until the kernel has taken them. */
  write(bytes: Buffer): unknown
  cork(): void
  uncork(): void
}

interface WriteRequest {
  oncomplete: ((status: number) => void) | null
}

interface Handle {
  writeBuffer(request: WriteRequest, bytes: Buffer): number
  writev(request: WriteRequest, pieces: Buffer[], allBuffers: boolean): number
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest
  readonly streamBaseState: Int32Array
  readonly kLastWriteWasAsync: number
}

const binding = streamBinding()
/** Shared by all writers: a request is only used up by a write that the kernel did not take at once. */
let spare: WriteRequest | null = null

/** `drained` is called whenever everything that had to wait is out. */
export function writerOf(socket: Socket, drained: () => void): ByteSink {
  const handle = (socket as unknown as { _handle: Partial<Handle> | null })._handle
  if (binding !== null && typeof handle?.writeBuffer === 'function' && typeof handle.writev === 'function') {
    return new DirectWriter(socket, handle as Handle, binding, drained)
  }
  socket.on('drain', drained)
  return socket
}

class DirectWriter implements ByteSink {
  writableLength = 0
  readonly #socket: Socket
  readonly #handle: Handle
  readonly #binding: StreamBinding
  readonly #drained: () => void
  #corked = false
  #busy = false
  /** Of the request that is under way; the kernel reads from them, so they are kept alive here. */
  #sending: Buffer[] = []
  #waiting: Buffer[] = []

  constructor(socket: Socket, handle: Handle, binding: StreamBinding, drained: () => void) {
    this.#socket = socket
    this.#handle = handle
    this.#binding = binding
    this.#drained = drained
  }

  write(bytes: Buffer): void {
    if (this.#busy || this.#corked) {
      this.writableLength += bytes.length
      this.#waiting.push(bytes)
      return
    }
    if (this.#socket.destroyed) return
    spare ??= new this.#binding.WriteWrap()
    const status = this.#handle.writeBuffer(spare, bytes)
    if (status !== 0 || this.#binding.streamBaseState[this.#binding.kLastWriteWasAsync] !== 0) this.#began(status, [bytes])
  }

  cork(): void {
    this.#corked = true
  }

  uncork(): void {
    this.#corked = false
    if (!this.#busy) this.#sendWaiting()
  }

  #sendWaiting(): void {
    const pieces = this.#waiting
    if (pieces.length === 0 || this.#socket.destroyed) return
    this.#waiting = []
    for (const piece of pieces) this.writableLength -= piece.length
    spare ??= new this.#binding.WriteWrap()
    const status = this.#handle.writev(spare, pieces, true)
    if (status !== 0 || this.#binding.streamBaseState[this.#binding.kLastWriteWasAsync] !== 0) this.#began(status, pieces)
  }

  /** The kernel did not take everything: it does so in the background, unless the connection is broken. */
  #began(status: number, pieces: Buffer[]): void {
    if (status !== 0) {
      this.#socket.destroy()
      return
    }
    const request = spare as WriteRequest
    spare = null
    this.#busy = true
    this.#sending = pieces
    for (const piece of pieces) this.writableLength += piece.length
    request.oncomplete = (outcome) => this.#ended(outcome)
  }

  #ended(status: number): void {
    this.#busy = false
    for (const piece of this.#sending) this.writableLength -= piece.length
    this.#sending = []
    if (status !== 0) {
      this.#socket.destroy()
      return
    }
    this.#sendWaiting()
    if (!this.#busy) this.#drained()
  }
}

function streamBinding(): StreamBinding | null {
  try {
    const found = (process as unknown as { binding(name: string): Partial<StreamBinding> }).binding('stream_wrap')
    const whole =
      typeof found.WriteWrap === 'function' &&
      found.streamBaseState instanceof Int32Array &&
      found.kLastWriteWasAsync !== undefined
    return whole ? (found as StreamBinding) : null
  } catch {
    return null
  }
}
