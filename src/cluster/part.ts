/** Commands that went to one server of a cluster together, and what comes back: replies, redirections, or nothing. */
import { encodeError } from '../resp/encode.ts'
import { ReplyKind, ReplyScanner } from '../resp/reply-scanner.ts'
import { Found, RequestScanner } from '../resp/request-scanner.ts'
import { type ClusterNode, type Redirection, redirectionOf } from '../routing/slot-map.ts'
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import { lostReplyPrefix } from '../upstream/wire.ts'
import { Place } from './line.ts'
import { type PiecesOwner, ReplyPieces } from './reply-pieces.ts'

/** Whoever gets what a part brings. */
export interface PartOwner extends PiecesOwner {
  deliver(part: Part, bytes: Buffer, ended: boolean): void
  /** The server did not run it: whether it is sent elsewhere. If not, the error is what it is answered. */
  redirected(part: Part, to: Refusal): boolean
  /** As `redirected`, for the command at `index` alone, which then stands ahead of those behind it. */
  splitOff(part: Part, index: number, to: Refusal): boolean
  /** A reply never comes: false where that is the end of all of it. */
  survives(error: Error): boolean
  /** Some bytes of a reply are out, and the rest never comes. */
  broken(error: Error): void
}

/** A WATCH belongs to one connection: on another one, of whatever server, the block would run unwatched. */
export interface Guard {
  /** The server's id. */
  readonly node: string
  /** Which of the lane's connections it was. */
  readonly connection: number
  readonly instead: Buffer
  /** What is watched there is no more. */
  unwatch(): void
}

/** The server that a part was sent to. */
export interface SentTo {
  readonly node: ClusterNode
  readonly lane: Lane
}

/** Where a server sends its client, that it asks to be asked again, or that it is a replica by now. */
export type Refusal = Redirection | 'again' | 'replica'

const anyLimits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 0 }
const minus = 45
const tryAgain = Buffer.from('-TRYAGAIN')
const readOnly = Buffer.from('-READONLY')

export class Part extends Place implements Waiter {
  readonly sums = false
  readonly buf: Buffer
  readonly start: number
  end: number
  count: number
  /** Protocol and database. */
  readonly context: number
  /** Sent behind ASKING. */
  asking = false
  /** How often it was sent elsewhere. */
  redirections = 0
  /** When a server first said TRYAGAIN; 0 = none has. Clock of `performance.now`. */
  tryingSinceMs = 0
  /** Decided by the whole of its replies: a block, or what is put together with others. */
  readonly whole: boolean
  /** Sent ahead of it to the same server, with one reply that nobody waits for. */
  prefix: Buffer | null = null
  /** Sent behind it to the same server, likewise. */
  suffix: Buffer | null = null
  /** Of a block that keys are watched for: where they are, and what is answered where the block comes to run anywhere else. */
  guard: Guard | null = null
  /** Where it went, while it is there. */
  at: SentTo | null = null
  /** A slot, or Route.home. */
  slot: number
  /** The one server that it is for, by id; null = whoever serves the slot. */
  node: string | null = null
  /** Which of several parts of one command it is. */
  share = 0
  readonly order: number
  readonly #owner: PartOwner
  readonly #pieces: ReplyPieces
  #scanner: ReplyScanner | null = null
  #answered = 0
  #begun = false

  constructor(
    owner: PartOwner,
    order: number,
    slot: number,
    request: { readonly buf: Buffer; readonly start: number; readonly end: number; readonly count: number },
    context: number,
    whole = false,
  ) {
    super()
    this.#owner = owner
    this.#pieces = new ReplyPieces(owner)
    this.order = order
    this.slot = slot
    this.buf = request.buf
    this.start = request.start
    this.end = request.end
    this.count = request.count
    this.context = context
    this.whole = whole
  }

  override isOwedBy(server: object): boolean {
    return this.at === server
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    if (this.whole) this.#collect(lane, chunk.subarray(from, to), ended)
    else if (this.#scanner === null && ended && lane.errors === 0) {
      this.at = null
      this.#owner.deliver(this, from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to), true)
    } else this.#takeApart(chunk, from, to)
  }

  lost(lane: ReplyLane, left: number, midReply: boolean): void {
    this.at = null
    if (midReply && this.#begun) {
      this.#owner.broken(new Error(lane.lastError ?? 'a server was lost in the middle of a reply'))
      return
    }
    if (!this.#owner.survives(new Error(lane.lastError ?? 'a server was lost'))) return
    this.#pieces.drop()
    this.#scanner = null
    const marker = lostReply(lane.lastError ?? 'connection closed')
    // All of a block is lost with its EXEC: what came before it says nothing.
    const missing = this.whole ? this.count : left
    for (let i = missing; i > 0; i--) this.#owner.deliver(this, marker, i === 1)
  }

  /** Sends it; its replies come to `take`. */
  put(lane: Lane): void {
    lane.send(this.buf, this.start, this.end, this, this.count)
  }

  /** Answers for all of it without any server. */
  fail(error: Buffer): void {
    this.at = null
    for (let i = this.count; i > 0; i--) this.#owner.deliver(this, error, i === 1)
  }

  /** Where the command at `index` lies. */
  commandAt(index: number): { start: number; end: number } {
    const scanner = new RequestScanner(anyLimits)
    scanner.reset(this.buf, this.start, this.end)
    for (let i = 0; scanner.next() === Found.frame; i++) {
      if (i === index) return { start: scanner.frameStart, end: scanner.position }
    }
    throw new Error('a part does not hold the commands that it counts')
  }

  #collect(lane: ReplyLane, bytes: Buffer, ended: boolean): void {
    this.#pieces.push(bytes)
    if (!ended) return
    const all = this.#pieces.take()
    const to = lane.errors > 0 && this.#isQueued(all) ? firstRefusal(all) : null
    if (to !== null && this.#owner.redirected(this, to)) return
    this.at = null
    this.#owner.deliver(this, to !== null && this.guard !== null ? this.guard.instead : all, true)
  }

  /** Of a block whose MULTI was refused, each command has run by itself, and what it says may be a script's. */
  #isQueued(replies: Buffer): boolean {
    return this.count === 1 || replies[0] !== minus
  }

  /** Reply by reply: an error among them may be a redirection, which nobody but the wire shall see. */
  #takeApart(chunk: Buffer, from: number, to: number): void {
    this.#scanner ??= new ReplyScanner()
    const scanner = this.#scanner
    let position = from
    while (position < to) {
      const start = position
      position = scanner.scan(chunk, position, to)
      const bytes = chunk.subarray(start, position)
      const last = scanner.done && this.#answered + 1 === this.count
      if (scanner.kind === ReplyKind.error) {
        this.#pieces.push(bytes)
        if (!scanner.done) continue
        const error = this.#pieces.take()
        if (this.#isRedirected(error, last)) {
          if (last) return
          continue
        }
        this.#begun = false
        this.#pass(error, last)
      } else {
        this.#begun = !scanner.done
        if (scanner.done) this.#pass(bytes, last)
        else this.#owner.deliver(this, bytes, false)
      }
    }
  }

  #pass(bytes: Buffer, last: boolean): void {
    this.#answered++
    if (last) {
      this.at = null
      this.#scanner = null
    }
    this.#owner.deliver(this, bytes, last)
  }

  #isRedirected(error: Buffer, last: boolean): boolean {
    const to = refusal(error)
    if (to === null) return false
    if (this.count === 1) {
      if (!this.#owner.redirected(this, to)) return false
      this.#scanner = null
      return true
    }
    if (!this.#owner.splitOff(this, this.#answered, to)) return false
    this.#answered++
    if (last) {
      this.at = null
      this.#owner.deliver(this, noBytes, true)
    }
    return true
  }
}

const noBytes = Buffer.alloc(0)

/** Null for an error of any other kind, and for what is no error. */
export function refusal(error: Buffer): Refusal | null {
  if (error[0] !== minus) return null
  const second = error[1]
  if (second !== 77 && second !== 65 && second !== 84 && second !== 82) return null
  if (startsWith(error, tryAgain)) return 'again'
  return startsWith(error, readOnly) ? 'replica' : redirectionOf(error.toString('latin1'))
}

const startsWith = (error: Buffer, word: Buffer): boolean => error.subarray(0, word.length).equals(word)

function firstRefusal(replies: Buffer): Refusal | null {
  const scanner = new ReplyScanner()
  let at = 0
  while (at < replies.length) {
    const start = at
    at = scanner.scan(replies, at, replies.length)
    const to = scanner.kind === ReplyKind.error ? refusal(replies.subarray(start, at)) : null
    if (to !== null) return to
  }
  return null
}

const lostReply = (reason: string): Buffer => Buffer.concat([lostReplyPrefix, encodeError(reason).subarray(1)])
