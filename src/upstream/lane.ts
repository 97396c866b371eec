/**
 * One ordered, pipelined connection to one side, shared by everybody who may use it. Commands leave in the order of `send`, replies
 * come back in that order to whoever waits. Never retries: what was not answered when the connection went is `lost`.
 *
 * After a loss the lane reconnects by itself. The new connection first kills the old one on the server (fence.ts), so nothing
 * that was sent before can still run once the lane is up again.
 */
import { type ServerName, unnamedServer } from '../commands/server-name.ts'
import { encodeCommand } from '../resp/encode.ts'
import { ReplyKind, ReplyScanner } from '../resp/reply-scanner.ts'
import type { Side } from '../routing/modes.ts'
import { openWire } from './connect.ts'
import { ContextSwitch } from './context-switch.ts'
import type { Endpoint } from './endpoint.ts'
import type { FormerConnection } from './fence.ts'
import { Greeting } from './greeting.ts'
import { authOf, ClockWaiter, type Credentials, type HandshakeResult } from './handshake.ts'
import { Outbox } from './outbox.ts'
import type { Flushable, Turn } from './turn.ts'
import { type ReplyLane, unheard, type Waiter } from './waiter.ts'
import { WaiterRing } from './waiter-ring.ts'
import { isLostReply, type Wire } from './wire.ts'

export interface LaneOwner {
  /** Connected, admitted or not (`lane.admitted`). */
  laneUp(lane: Lane): void
  /** Every waiter has been told already. */
  laneDown(lane: Lane, error: Error): void
  /** A whole push (`>…`), which only a lane in protocol 3 gets. The bytes are the owner's. Without this, pushes are dropped. */
  lanePush?(lane: Lane, push: Buffer): void
  /** Of several servers, one ran this command later than what was sent behind it. */
  laneReordered?(lane: Lane, frame: Buffer, db: number): void
}

const stageBytes = 65_536
const fnvPrime = 16_777_619
/** Which part of an error reply is being summed up. */
const ErrorPart = { none: 0, word: 1, rest: 2 } as const
const backoffMinMs = 50
const backoffMaxMs = 2_000
const timeFrame = encodeCommand(['TIME'])
/** Protocol 2, database 0: what a fresh connection speaks. */
export const freshContext = 2
export const contextOf = (protocol: number, db: number): number => db * 4 + protocol
export const contextDb = (context: number): number => context >> 2
const contextProtocol = (context: number): number => context & 3

export class Lane implements Flushable, ReplyLane {
  readonly side: Side
  readonly endpoint: Endpoint
  up = false
  /** Whether it is known if the server can be reached. */
  tried = false
  /** False where the server wants credentials that this lane does not have. */
  admitted = true
  /** The last refusal or fault, for status. */
  lastError: string | null = null
  clockOffsetMs = 0
  /** Another after every start of the server; null where it never told. */
  runId: string | null = null
  /** What the server calls itself; the last answer where it is down now. */
  server: ServerName = unnamedServer
  /** How often it has come up: what was found out about its user on one connection need not hold on the next. */
  connections = 0
  /** Commands sent and not answered. */
  inFlight = 0
  /** When a reply last came, or the lane last went from idle to busy; turn clock. */
  progressMs = 0
  /** Told of every connection before anything is sent on it but its handshake. Siblings have it, too. */
  opened: ((lane: Lane) => void) | null = null
  /** Of the waiter that just ended: sum over its replies' bytes, and how many were errors. */
  sum = 0
  errors = 0
  bytesIn = 0
  bytesOut = 0
  #credentials: Credentials
  #turn: Turn
  #owner: LaneOwner
  #socket: Wire | null = null
  #ring = new WaiterRing()
  #scanner = new ReplyScanner()
  #outbox = new Outbox(stageBytes)
  #queued = false
  #left = 0
  #errorPart: number = ErrorPart.none
  /** The push that is being read, as far as it is there. */
  #push: Buffer[] = []
  #context = freshContext
  /** The last connection that was in use; null = there was none. */
  #former: FormerConnection | null = null
  #written = 0
  #orphaned = false
  #attempt = 0
  #closed = false
  #whileBusy = false
  /** Not one that somebody has for a state of its own. */
  #shared = true
  /** Of the connection that is there or being made. */
  #greeting: Greeting | null = null
  /** To the next attempt. */
  #pause: NodeJS.Timeout | null = null

  constructor(side: Side, endpoint: Endpoint, credentials: Credentials, turn: Turn, owner: LaneOwner) {
    this.side = side
    this.endpoint = endpoint
    this.#credentials = credentials
    this.#turn = turn
    this.#owner = owner
  }

  /** Another connection to the same server with the same credentials, not connected yet and of nobody's pair: for state of its own. */
  sibling(owner: LaneOwner): Lane {
    const lane = this.siblingAt(this.endpoint, owner)
    lane.opened = this.opened
    return lane
  }

  /** One to another server that takes the same credentials; nothing is told of it. */
  siblingAt(endpoint: Endpoint, owner: LaneOwner): Lane {
    const lane = new Lane(this.side, endpoint, this.#credentials, this.#turn, owner)
    lane.#shared = false
    return lane
  }

  /** Such a connection that also comes up while a script keeps the server busy: for the command that ends the script. */
  siblingWhileBusy(owner: LaneOwner): Lane {
    const lane = this.sibling(owner)
    lane.#whileBusy = true
    return lane
  }

  /** The command that gives another connection to the same server this one's user; null where none is needed. */
  get authentication(): Buffer | null {
    const auth = authOf(this.#credentials)
    return auth === null ? null : encodeCommand(auth)
  }

  /** The server's number for this connection, or for the last one; null = there was none, 0 = it did not tell. */
  get clientId(): number | null {
    return this.#former?.clientId ?? null
  }

  /** Closed for good. */
  get ended(): boolean {
    return this.#closed
  }

  /** A connection went with commands on it, and the one after it has not killed it yet: the server may still run them. */
  get orphaned(): boolean {
    return this.#orphaned || (this.#socket?.several?.orphaned ?? false)
  }

  get bufferedBytes(): number {
    return this.#outbox.pendingBytes + (this.#socket?.writableLength ?? 0)
  }

  get paused(): boolean {
    return this.#socket?.isPaused() ?? false
  }

  connect(): void {
    if (this.#closed || this.#socket !== null) return
    const socket = openWire(
      this.endpoint,
      {
        credentials: this.#credentials,
        whileBusy: this.#whileBusy,
        singly: this.#shared,
        reordered: (frame, context) => this.#owner.laneReordered?.(this, frame, contextDb(context)),
      },
      () => socket === this.#socket && this.#greeting?.begin(),
      (chunk) => socket === this.#socket && this.#onData(chunk),
    )
    this.#socket = socket
    this.#greeting = new Greeting(
      this,
      this.#credentials,
      this.#whileBusy,
      this.#former,
      (result) => this.#told(result),
      (result) => this.#opened(result),
    )
    socket.on('error', (error) => socket === this.#socket && this.fail(error))
    socket.on('close', () => socket === this.#socket && this.fail(new Error('the server closed the connection')))
  }

  /** Ends for good. Whoever still waits is told that the reply is lost. */
  close(): void {
    this.#closed = true
    this.fail(new Error('closed'))
  }

  /** Brings the connection to a client's protocol and database; nothing where it is there already. */
  prepare(context: number): void {
    if (context === this.#context) return
    if (contextProtocol(context) !== contextProtocol(this.#context)) this.#switch(['HELLO', String(contextProtocol(context))])
    if (contextDb(context) !== contextDb(this.#context)) this.#switch(['SELECT', String(contextDb(context))])
    this.#context = context
  }

  #switch(argv: string[]): void {
    const change = new ContextSwitch(argv, this)
    this.send(change.frame, 0, change.frame.length, change, 1)
  }

  /** Sends `count` whole commands that lie in [start, end). Only while `up` (the handshake excepted). */
  send(buf: Buffer, start: number, end: number, waiter: Waiter, count: number): void {
    if (this.inFlight === 0) this.progressMs = this.#turn.nowMs
    this.inFlight += count
    this.#ring.push(waiter, count)
    this.write(buf, start, end)
  }

  /** Sends one whole command that lies in pieces. Only while `up`. */
  sendPieces(pieces: readonly Buffer[], waiter: Waiter): void {
    this.expect(waiter, 1)
    for (const piece of pieces) this.write(piece, 0, piece.length)
  }

  /** Announces `count` replies for commands whose bytes follow by `write`. */
  expect(waiter: Waiter, count: number): void {
    if (this.inFlight === 0) this.progressMs = this.#turn.nowMs
    this.inFlight += count
    this.#ring.push(waiter, count)
  }

  write(buf: Buffer, start: number, end: number): void {
    this.bytesOut += end - start
    this.#outbox.write(buf, start, end)
    if (this.#queued) return
    this.#queued = true
    this.#turn.schedule(this)
  }

  flush(): void {
    this.#queued = false
    if (this.#socket !== null) this.#outbox.flush(this.#socket)
  }

  /** Calls `done` once everything sent so far is answered; at once if it is already. `false`: the connection went first. */
  whenAnswered(done: (answered: boolean) => void): void {
    this.#ring.whenAnswered(done)
  }

  /** Reads the server's clock again; `clockOffsetMs` follows where it cannot be right any more: one slow answer shall not move it. */
  askClock(): void {
    const waiter = new ClockWaiter((atLeastMs, atMostMs) => {
      if (this.clockOffsetMs < atLeastMs || this.clockOffsetMs > atMostMs) this.clockOffsetMs = atLeastMs
    })
    this.send(timeFrame, 0, timeFrame.length, waiter, 1)
  }

  /** Bytes that reached the kernel since the last call count as progress, too: a large value takes its time. */
  noteWritten(): void {
    const socket = this.#socket
    if (socket === null) return
    const written = socket.bytesWritten - socket.writableLength
    if (written > this.#written) this.progressMs = this.#turn.nowMs
    this.#written = written
  }

  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.progressMs = this.#turn.tick()
    this.#socket?.resume()
  }

  /** Cuts the connection: every waiter loses its reply, in order; then the lane reconnects unless it is closed. */
  fail(error: Error): void {
    const socket = this.#socket
    // It is about to connect anew, and that is not to be put off.
    if (socket === null && !this.#closed) return
    if (this.#pause !== null) clearTimeout(this.#pause)
    this.#pause = null
    if (socket === null) return
    this.#greeting?.end()
    this.#greeting = null
    this.#socket = null
    if (this.up && this.inFlight > 0) this.#orphaned = true
    this.up = false
    this.tried = true
    this.lastError = error.message
    socket.destroy()
    this.#outbox.discard()
    this.#loseAll()
    this.#scanner = new ReplyScanner()
    this.#push = []
    this.#context = freshContext
    this.#owner.laneDown(this, error)
    if (this.#closed) return
    const backoffMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** this.#attempt++) * (0.5 + Math.random() / 2)
    this.#pause = setTimeout(() => this.connect(), backoffMs)
  }

  /** No reply for too long. Where the lane leads to several servers, the others go on. */
  stalled(error: Error): void {
    if (this.#socket?.several?.stalled(error)) this.progressMs = this.#turn.nowMs
    else this.fail(error)
  }

  #loseAll(): void {
    const ring = this.#ring
    const midReply = this.#scanner.midReply && this.#scanner.kind !== ReplyKind.push
    const left = this.#left
    this.#ring = new WaiterRing()
    this.#left = 0
    this.inFlight = 0
    ring.loseAll(this, left, midReply)
  }

  #told(result: HandshakeResult): void {
    this.admitted = result.admitted
    this.lastError = result.refusal
    this.clockOffsetMs = result.clockOffsetMs
    if (result.server !== null) this.server = result.server
    this.runId = result.runId ?? this.runId
  }

  #opened(result: HandshakeResult): void {
    // Several servers are not started as one: whether they still have the former connections does not follow from what they are now.
    const runId = this.#socket?.several === undefined ? result.runId : null
    this.#former = { clientId: result.clientId, runId }
    this.#attempt = 0
    this.connections++
    this.up = true
    this.tried = true
    this.#orphaned = false
    this.opened?.(this)
    this.#owner.laneUp(this)
  }

  #onData(chunk: Buffer): void {
    this.bytesIn += chunk.length
    this.progressMs = this.#turn.tick()
    try {
      this.#replies(chunk)
    } catch (error) {
      this.fail(error as Error)
      return
    }
    this.#ring.tellAnswered()
  }

  #replies(chunk: Buffer): void {
    const scanner = this.#scanner
    const end = chunk.length
    let position = 0
    while (position < end) {
      const ring = this.#ring
      if (ring.empty) {
        position = this.#unasked(chunk, position, end)
        continue
      }
      const waiter = ring.first
      const sums = waiter.sums
      const from = position
      let left = this.#left
      if (left === 0) {
        left = ring.firstCount
        this.sum = 0
        this.errors = 0
      }
      do {
        const start = position
        const wasMid = scanner.midReply
        position = scanner.scan(chunk, position, end)
        if (scanner.kind === ReplyKind.push) {
          if (this.#isolatedPush(waiter, chunk, from, start, position, left)) return
          break
        }
        if (sums) this.#addUp(chunk, start, position, wasMid)
        if (!scanner.done) break
        if (scanner.kind === ReplyKind.error || scanner.kind === ReplyKind.bulkError) {
          if (start === 0 && this.#socket?.several !== undefined && isLostReply(chunk)) {
            this.#loseRest(waiter, left)
            return
          }
          this.errors++
        }
        left--
      } while (left > 0 && position < end)
      if (scanner.kind === ReplyKind.push) continue
      this.#left = left
      if (left === 0) {
        this.inFlight -= ring.firstCount
        ring.shift()
      }
      waiter.take(this, chunk, from, position, left === 0)
      if (this.#socket === null) return
    }
  }

  /** One of several servers was lost: whoever waits for its reply gets none any more, though later ones may still come. */
  #loseRest(waiter: Waiter, left: number): void {
    this.#left = left - 1
    if (left === 1) {
      this.inFlight -= this.#ring.firstCount
      this.#ring.shift()
    } else this.#ring.replaceFirst(unheard)
    waiter.lost(this, left, false)
  }

  /** A push between two replies is none of them: what came before it is handed over first. */
  #isolatedPush(waiter: Waiter, chunk: Buffer, from: number, start: number, end: number, left: number): boolean {
    this.#left = left
    if (start > from) waiter.take(this, chunk, from, start, false)
    this.#pushed(chunk, start, end)
    return end >= chunk.length || this.#socket === null
  }

  #pushed(chunk: Buffer, from: number, to: number): void {
    if (this.#owner.lanePush === undefined) return
    this.#push.push(chunk.subarray(from, to))
    if (!this.#scanner.done) return
    const push = Buffer.concat(this.#push)
    this.#push = []
    this.#owner.lanePush(this, push)
  }

  #unasked(chunk: Buffer, from: number, end: number): number {
    const position = this.#scanner.scan(chunk, from, end)
    if (this.#scanner.kind !== ReplyKind.push) throw new Error('the server sent a reply that nobody asked for')
    this.#pushed(chunk, from, position)
    return position
  }

  /** FNV-1a over the reply; of an error only its first word, since two servers may word the rest differently. */
  #addUp(chunk: Buffer, from: number, to: number, continues: boolean): void {
    if (!continues) this.#errorPart = this.#scanner.kind === ReplyKind.error ? ErrorPart.word : ErrorPart.none
    let sum = this.sum
    if (this.#errorPart === ErrorPart.none) for (let p = from; p < to; p++) sum = Math.imul(sum ^ (chunk[p] as number), fnvPrime)
    else {
      for (let p = from; p < to && this.#errorPart === ErrorPart.word; p++) {
        if (chunk[p] === 32) this.#errorPart = ErrorPart.rest
        else sum = Math.imul(sum ^ (chunk[p] as number), fnvPrime)
      }
    }
    this.sum = sum
  }
}
