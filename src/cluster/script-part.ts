/**
 * A script or a function. Its own error may be any text, a redirection's, too (`redis.error_reply('MOVED …')`), and by then it has run: sent
 * on, it would run twice. So it goes in a block of its own. A server redirects a command of a block while it queues it, or the EXEC
 * (`processCommand` in server.c, in front of `queueMultiCommand` and of `execCommand`): both are replies by themselves, and nothing has run.
 * What the script says lies within the reply to EXEC, which nobody looks into.
 *
 * Where MULTI is refused, the script has run as it is, and where keys are watched, a block of its own would end that: there its reply is the
 * client's, whatever it says.
 */
import { encodeCommand } from '../resp/encode.ts'
import { repliesFrom } from '../resp/reply-elements.ts'
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane } from '../upstream/waiter.ts'
import { Part, type PartOwner, refusal } from './part.ts'
import { ReplyPieces } from './reply-pieces.ts'

const multi = encodeCommand(['MULTI'])
const exec = encodeCommand(['EXEC'])
/** Behind it comes what the script has answered, and nothing else. */
const ran = Buffer.from('+OK\r\n+QUEUED\r\n*1\r\n')
const ok = 43

export class ScriptPart extends Part {
  readonly #to: PartOwner
  readonly #alone: boolean
  /** What is there, unless it goes on as it comes. */
  readonly #pieces: ReplyPieces
  /** Too little is there to say whether it ran in its block. */
  #isOpen = true
  #isOut = false

  /** `alone`: without a block. */
  constructor(owner: PartOwner, order: number, slot: number, frame: Buffer, context: number, alone: boolean) {
    super(owner, order, slot, { buf: frame, start: 0, end: frame.length, count: 1 }, context, true)
    this.#to = owner
    this.#alone = alone
    this.#pieces = new ReplyPieces(owner)
  }

  override put(lane: Lane): void {
    this.#isOpen = true
    if (this.#alone) {
      super.put(lane)
      return
    }
    lane.expect(this, 3)
    lane.write(multi, 0, multi.length)
    lane.write(this.buf, this.start, this.end)
    lane.write(exec, 0, exec.length)
  }

  override take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    const bytes = chunk.subarray(from, to)
    if (this.#isOut || this.#alone) {
      this.#pass(bytes, ended)
      return
    }
    this.#pieces.push(bytes)
    if (this.#isOpen && this.#hasRun()) this.#pass(this.#pieces.take().subarray(ran.length), ended)
    else if (ended) this.#unrun(this.#pieces.take())
  }

  override lost(lane: ReplyLane, left: number, midReply: boolean): void {
    this.#pieces.drop()
    if (!this.#isOut) {
      super.lost(lane, left, midReply)
      return
    }
    this.at = null
    this.#to.broken(new Error(lane.lastError ?? 'a server was lost in the middle of a reply'))
  }

  #hasRun(): boolean {
    this.#isOpen = this.#pieces.bytes <= ran.length
    return !this.#isOpen && this.#pieces.head(ran.length).equals(ran)
  }

  /** Three replies, of which none says that it ran in its block. */
  #unrun(replies: Buffer): void {
    const [, queued, executed] = repliesFrom(replies, 0, 3) as [Buffer, Buffer, Buffer]
    const inBlock = replies[0] === ok
    const answer = inBlock && queued[0] === ok ? executed : queued
    const to = inBlock ? refusal(answer) : null
    if (to === null || !this.#to.redirected(this, to)) this.#pass(answer, true)
  }

  #pass(bytes: Buffer, ended: boolean): void {
    this.#isOut = true
    if (ended) this.at = null
    this.#to.deliver(this, bytes, ended)
  }
}
