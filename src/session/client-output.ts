/**
 * The way to one client: what is written in a turn leaves at its end. A reader that is slower than its lane first makes the lane wait,
 * for a moment only, since everybody shares it; after that the rest is kept in memory up to a limit, and past the limit it is cut off.
 */
import type { Socket } from 'node:net'
import type { Core } from '../dispatch/core.ts'
import type { ReplySink } from '../dispatch/reply-queue.ts'
import { Outbox } from '../upstream/outbox.ts'
import type { Flushable } from '../upstream/turn.ts'
import type { ReplyLane } from '../upstream/waiter.ts'

const stageBytes = 4096
/** Reply bytes a client may leave unread before its lane waits for it and its own commands are not read. */
const highBytes = 1 << 20
/** How long a lane waits for one slow reader. */
const stallMs = 100
/** How long a client that was sent everything may take to close its end. */
const lingerMs = 1_000

export class ClientOutput implements ReplySink, Flushable {
  readonly #socket: Socket
  readonly #core: Core
  readonly #relieved: () => void
  readonly #outbox = new Outbox(stageBytes)
  #queued = false
  #closed = false
  #stalled: ReplyLane | null = null
  #timer: NodeJS.Timeout | null = null
  /** False once its lane has waited for it: until it has caught up, it has to be kept in memory. */
  #patience = true
  #ends: (() => boolean) | null = null

  constructor(socket: Socket, core: Core, relieved: () => void) {
    this.#socket = socket
    this.#core = core
    this.#relieved = relieved
    socket.on('drain', () => this.#caughtUp())
  }

  get waitingBytes(): number {
    return this.#outbox.pendingBytes + this.#socket.writableLength
  }

  get congested(): boolean {
    return this.waitingBytes > highBytes
  }

  write(buf: Buffer, start: number, end: number): void {
    if (this.#closed) return
    this.#core.counters.clients.bytesOut += end - start
    this.#outbox.write(buf, start, end)
    if (this.#queued) return
    this.#queued = true
    this.#core.turn.schedule(this)
  }

  drained(): void {
    this.#relieved()
  }

  flush(): void {
    this.#queued = false
    if (this.#closed) return
    const { congested } = this
    this.#outbox.flush(this.#socket)
    // What the kernel takes at once is followed by no `drain`.
    if (congested && this.#socket.writableLength === 0 && !this.#socket.writableNeedDrain) this.#caughtUp()
    if (this.#socket.writableLength > this.#core.limits.outputBufferBytes) this.#socket.destroy()
    else if (this.#ends !== null) this.#tryEnd()
  }

  /** A long reply is coming in from this lane. */
  pressed(lane: ReplyLane): void {
    if (!this.#patience || this.#stalled !== null || this.#closed || !this.congested) return
    this.#stalled = lane
    lane.pause()
    this.#timer = setTimeout(() => {
      this.#patience = false
      this.#release()
    }, stallMs)
  }

  /** Ends the connection once `empty` says that no reply is owed and all bytes are out. */
  endWhenEmpty(empty: () => boolean): void {
    this.#ends = empty
    this.#tryEnd()
  }

  close(): void {
    this.#closed = true
    this.#outbox.discard()
    this.#release()
  }

  #tryEnd(): void {
    if (!this.#ends?.() || this.#outbox.pendingBytes > 0) return
    this.#ends = null
    this.#socket.end()
    // What the client still sends is read and dropped: unread, its own end would never be seen, and a close would cost it the last replies.
    this.#socket.resume()
    setTimeout(() => this.#socket.destroy(), lingerMs).unref()
  }

  #caughtUp(): void {
    this.#patience = true
    this.#release()
    this.#relieved()
  }

  #release(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const lane = this.#stalled
    this.#stalled = null
    if (lane !== null) lane.resume()
  }
}
