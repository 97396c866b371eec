/**
 * WAIT and WAITAOF, on a connection of the authority that the client has to itself meanwhile: on a shared one everybody would wait with it.
 * A server waits for the replication offset of the connection's previous command, so a PING right before makes that the offset of all that
 * has run until then, this client's own commands among it (`processCommand` sets `woff` after every command, in Redis and Valkey).
 */

import { argBytes } from '../commands/arg-view.ts'
import { framesIn } from '../dispatch/command-keys.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { unknownOutcome } from '../dispatch/lost-reply.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Lane } from '../upstream/lane.ts'
import type { PinHolder, PinRefusal } from '../upstream/pinned-pool.ts'
import { type ReplyLane, unheard, type Waiter } from '../upstream/waiter.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplicaWait, unblocked } from './client-waits.ts'
import { refusalText } from './watch.ts'

const noBytes = Buffer.alloc(0)
const ping = encodeCommand(['PING'])

/** Behind everything that the client has sent; nothing behind it is looked at until it is answered. */
export function handleWait(session: ClientSession, frame: Frame): Sent {
  const bytes = frame.pieces === null ? Buffer.from(frame.buf.subarray(frame.start, frame.end)) : Buffer.concat(frame.pieces)
  const wait = new AskedReplicas(session, bytes)
  session.replicaWait = wait
  session.replies.push(wait)
  session.holdBack()
  wait.start()
  return 'sent'
}

class AskedReplicas extends ReplySlot implements PinHolder, ReplicaWait, Waiter {
  readonly sums = false
  readonly #session: ClientSession
  readonly #shared: Lane
  readonly #context: number
  #frame: Buffer
  #lane: Lane | null = null
  #pieces: Buffer[] = []
  /** The connection that was let go of: what becomes of it is nobody's answer. */
  #former: Lane | null = null
  #ended = false

  constructor(session: ClientSession, frame: Buffer) {
    super()
    this.#session = session
    this.#shared = session.shared.core.authorityLane(session.pair)
    this.#context = session.context
    this.#frame = frame
  }

  start(): void {
    this.#shared.whenAnswered(() => {
      if (!this.#ended) this.#session.shared.lanes.pinned.take(this.#shared, this)
    })
  }

  /** The client is gone: the server need not wait any longer. */
  end(): void {
    this.#ended = true
    this.#letGo()
  }

  #letGo(): void {
    const { pinned } = this.#session.shared.lanes
    const lane = this.#lane
    this.#former = lane
    this.#lane = null
    if (lane === null) pinned.forget(this.#shared, this)
    else pinned.discard(lane)
  }

  /** Nothing more is waited for, and nothing answered, as when a server stops. */
  drain(): void {
    this.end()
    this.#session.replicaWait = null
    this.#session.replies.deliver(this, noBytes, 0, 0, true)
  }

  /** As if its time were over: it is asked once more, for as many replicas as there are by now, on another connection. */
  unblock(withError: boolean): Promise<boolean> {
    if (withError) {
      this.#letGo()
      this.#settle(unblocked)
    } else {
      this.#frame = askingForNone(this.#frame)
      if (this.#lane !== null) {
        this.#letGo()
        this.start()
      }
    }
    return Promise.resolve(true)
  }

  pinned(lane: Lane): void {
    this.#lane = lane
    lane.prepare(this.#context)
    lane.expect(unheard, 1)
    lane.expect(this, 1)
    const both = Buffer.concat([ping, this.#frame])
    lane.write(both, 0, both.length)
  }

  refused(refusal: PinRefusal): void {
    this.#settle(refusalText(refusal, this.#shared))
  }

  unpinned(): void {
    this.#lane = null
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    if (lane !== this.#lane) return
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    this.#session.shared.lanes.pinned.giveBack(this.#lane)
    this.#lane = null
    this.#settle(Buffer.concat(this.#pieces))
  }

  lost(lane: ReplyLane): void {
    if (lane === this.#former) return
    this.#settle(unknownOutcome(this.#session.shared.core, lane))
  }

  #settle(reply: Buffer): void {
    if (this.#ended) return
    this.#ended = true
    this.#session.replicaWait = null
    this.#session.replies.deliver(this, reply, 0, reply.length, true)
    this.#session.goOn()
  }
}

/** The same command, answered at once. */
function askingForNone(frame: Buffer): Buffer {
  for (const args of framesIn(frame, 0, frame.length)) {
    const argv = Array.from({ length: args.argc }, (_, i) => argBytes(args, i))
    return encodeCommand(argv.map((arg, i) => (i > 0 && i < argv.length - 1 ? '0' : arg)))
  }
  return frame
}
