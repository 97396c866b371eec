/**
 * What the authority would say to a command inside MULTI: it is queued there and thrown away again. For a command that Ferry does not
 * know: only the server can tell whether it does.
 */
import { putBlock } from '../dispatch/block-write.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { wireError } from '../errors.ts'
import { encodeCommand, replies } from '../resp/encode.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { ClientSession } from './client-session.ts'

const multi = encodeCommand(['MULTI'])
const discard = encodeCommand(['DISCARD'])

/** The client gets the server's own answer, and nothing behind it is looked at until then. */
export function rehearse(session: ClientSession, frame: Buffer, done: (queued: boolean) => void): void {
  const reply = new Rehearsal(session, done)
  session.replies.push(reply)
  session.holdBack()
  const lane = session.shared.core.authorityLane(session.pair)
  putBlock(lane, session.context, { bytes: Buffer.concat([multi, frame, discard]), before: 1, after: 1 }, reply)
}

class Rehearsal extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #session: ClientSession
  readonly #done: (queued: boolean) => void
  #pieces: Buffer[] = []

  constructor(session: ClientSession, done: (queued: boolean) => void) {
    super()
    this.#session = session
    this.#done = done
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (ended) this.#settle(Buffer.concat(this.#pieces))
  }

  lost(lane: ReplyLane): void {
    this.#settle(wireError('authority-unavailable', `${lane.side} was lost before it answered`))
  }

  #settle(reply: Buffer): void {
    this.#done(reply.equals(replies.queued))
    this.#session.replies.deliver(this, reply, 0, reply.length, true)
    this.#session.goOn()
  }
}
