/**
 * One client's connection: bytes in, commands sorted, replies out.
 *
 *   chunk → RequestReader → lookup → #quick: a run of plain commands becomes one Batch and leaves as one slice
 *                                  → handleCommand: everything else, one at a time (local, transaction, read path, write path)
 *   replies → ReplyQueue → ClientOutput → socket, once per turn
 *
 * A command that has to wait parks the session: nothing behind it is looked at, the socket is not read, and the same command is tried
 * again when the session is woken. So a client's own order holds whatever happens.
 */
import type { Socket } from 'node:net'
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { lookup } from '../commands/lookup.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { Batch } from '../dispatch/batch.ts'
import { specOf } from '../dispatch/command-keys.ts'
import type { Frame } from '../dispatch/frame.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import { readFlags, Stripe } from '../dispatch/order-board.ts'
import { ReplyQueue } from '../dispatch/reply-queue.ts'
import { ReadPlan } from '../dispatch/traffic.ts'
import { encodeError } from '../resp/encode.ts'
import type { LargeFrame } from '../resp/large-frame.ts'
import { RequestReader } from '../resp/request-reader.ts'
import { Found, type RequestScanner } from '../resp/request-scanner.ts'
import { slotOf } from '../routing/slot.ts'
import { stripeOf } from '../routing/stripe.ts'
import type { ReplyLane } from '../upstream/waiter.ts'
import { isBarred } from './barred.ts'
import type { ClientFacts } from './client-facts.ts'
import { ClientOutput } from './client-output.ts'
import type { ClientSession } from './client-session.ts'
import { ClientState } from './client-state.ts'
import { describe, factsOf } from './describe.ts'
import { EarlyInput } from './early-input.ts'
import { handleCommand } from './handle.ts'
import type { MonitoredCommand } from './monitor.ts'
import { ReplyMode } from './reply-mode.ts'
import type { SessionContext } from './session-context.ts'
import { shownArguments } from './shown-arguments.ts'
import type { ClientSubscriptions } from './subscribers.ts'
import { redirectedInvalidation } from './tracking.ts'
import { endTracking } from './tracking-command.ts'

/** What the hot path does with a command. */
const Plan = { none: 0, slow: 1, source: 2, target: 3, both: 4 } as const
/** What reads may do before their key is looked at; from the traffic settings, once per chunk. */
const Reads = { slow: 0, authority: 1, follower: 2, bySlot: 3 } as const

/** Replies owed to one client; beyond it the client is not read from. */
const owedRepliesMax = 4096

const noBytes = Buffer.alloc(0)
const plainSet = lookup(Buffer.from('set'), 0, 3)

export class Session extends ClientState implements ClientSession {
  readonly output: ClientOutput
  readonly replies: ReplyQueue
  readonly replyMode: ReplyMode
  receivedMs: number
  /** When the command that is tried now was first parked; turn clock, 0 = not at all. */
  parkedSinceMs = 0
  readonly #reader: RequestReader
  #closing = false
  #parked = false
  #waking = false
  #again = false
  #heldBack = false
  readonly #early: EarlyInput
  #paused = false
  #runPlan: number = Plan.none
  #runBuf: Buffer
  #runStart = 0
  #runEnd = 0
  #runCount = 0
  #reads: number = Reads.slow
  #writesBoth = false
  #writesOne = false
  /** Whether somebody waits for keys; only of interest where the hot path would not look at them. */
  #awaited = false
  #authorityPlan: number = Plan.source
  #wake = (): void => this.#woken()

  constructor(shared: SessionContext, socket: Socket, id: number, pair: LanePair) {
    super(shared, socket, id, pair)
    this.output = new ClientOutput(socket, shared.core, () => this.#relieved())
    this.replies = new ReplyQueue(this.output)
    this.replyMode = new ReplyMode(this.replies)
    this.receivedMs = shared.core.turn.nowMs
    this.#reader = new RequestReader(shared.requestLimits, shared.requestLimits.queryBufferBytes)
    this.#early = new EarlyInput(shared.requestLimits.queryBufferBytes)
    this.#runBuf = noBytes
    socket.on('error', () => socket.destroy())
  }

  get waitingBytes(): number {
    return this.output.waitingBytes
  }

  abort(_reason: string): void {
    this.socket.destroy()
  }

  receiveInvalidation(keys: Buffer | null): void {
    const bytes = redirectedInvalidation(keys, this.protocol, this.subscriptions?.active === true)
    if (bytes !== null) this.replies.interject(bytes)
  }

  pressed(lane: ReplyLane): void {
    this.output.pressed(lane)
  }

  /** Answers what is pending, then closes. Nothing more is read. */
  closeAfterReplies(): void {
    this.#closing = true
    this.socket.pause()
    this.blocked?.drain()
    this.replicaWait?.drain()
    this.output.endWhenEmpty(() => this.replies.length === 0)
  }

  facts(): ClientFacts {
    return factsOf(this)
  }

  describe(): string {
    return describe(this)
  }

  /** The socket is closed: whatever is still answered goes nowhere. */
  closed(): void {
    this.#closing = true
    this.#parked = false
    this.pair.clients--
    this.blocked?.gone()
    this.output.close()
    this.subscriptions?.close()
    this.shared.monitors.remove(this)
    this.shared.lanes.forget(this)
    this.watch?.end()
    this.replicaWait?.end()
    endTracking(this)
    this.shared.pauses.forget(this)
  }

  unpark(): void {
    if (this.#waking) return
    this.#waking = true
    queueMicrotask(this.#wake)
  }

  holdBack(): void {
    this.#heldBack = true
  }

  goOn(): void {
    this.#heldBack = false
    if (this.#parked || this.#closing) return
    this.shared.core.turn.tick()
    this.#process()
    this.#catchUp()
  }

  #woken(): void {
    this.#waking = false
    if (!this.#parked || this.#closing) return
    this.#parked = false
    this.shared.core.turn.tick()
    this.#process()
    this.#catchUp()
  }

  /** Looks at what came meanwhile; in the pieces it came in, since one of them may stop it again. */
  #catchUp(): void {
    while (!this.#heldBack && !this.#parked && !this.#closing) {
      const chunk = this.#early.take()
      if (chunk === undefined) return
      this.#reader.push(chunk)
      this.#process()
    }
  }

  /**
   * Its socket is read although nothing behind its command is looked at: it may wait long, and what a client asked for that has gone
   * meanwhile is not done. So a server does it, while a client is blocked and while CLIENT PAUSE holds it.
   */
  get #isWatched(): boolean {
    return this.blocked !== null || this.replicaWait !== null || this.shared.pauses.holds(this)
  }

  /** What the client sent. Its socket is read by whoever accepted it. */
  receive(buf: Buffer, start: number, end: number): void {
    if (this.#closing) return
    const { core } = this.shared
    this.receivedMs = core.turn.tick()
    core.counters.clients.bytesIn += end - start
    if (this.#isWatched || !this.#early.empty) {
      if (!this.#early.keep(buf.subarray(start, end))) this.abort('query buffer limit reached')
      return
    }
    this.#reader.push(buf, start, end)
    this.#process()
  }

  #process(): void {
    const reader = this.#reader
    const scanner = reader.scanner
    const counts = this.shared.core.counters.commands
    this.#lookAround()
    while (!this.#closing && !this.#heldBack) {
      const found = this.#again ? (reader.large === null ? Found.frame : Found.large) : reader.next()
      if (found === Found.more) break
      if (found === Found.malformed) {
        this.#malformed(reader.problem)
        break
      }
      if (found === Found.frame && !this.#again) {
        const spec = lookup(scanner.buf, scanner.offsets[0] as number, scanner.offsets[1] as number)
        const plan = this.#quick(spec, scanner)
        if (plan !== Plan.slow) {
          counts[spec.id] = (counts[spec.id] as number) + 1
          if (plan !== this.#runPlan || this.#runEnd !== scanner.frameStart || this.#runBuf !== scanner.buf) {
            this.#endRun()
            this.#runPlan = plan
            this.#runBuf = scanner.buf
            this.#runStart = scanner.frameStart
          }
          this.#runEnd = scanner.position
          this.#runCount++
          continue
        }
      }
      this.#endRun()
      if (!this.#oneByOne(found === Found.large ? (reader.large as LargeFrame) : null)) break
      this.#lookAround()
    }
    this.#endRun()
    if (!this.#again) {
      reader.letGo()
      this.#runBuf = noBytes
    }
    this.#regulate()
  }

  /** What the settings and the state of the lanes allow for the commands that follow. */
  #lookAround(): void {
    const { core } = this.shared
    const { traffic, journal, board } = core
    const authority = core.authorityLane(this.pair)
    this.#authorityPlan = traffic.authority === 'source' ? Plan.source : Plan.target
    this.#reads = Reads.slow
    this.#writesBoth = false
    this.#writesOne = false
    if (this.transaction !== null || !core.accepts(authority)) return
    if (this.tracking?.steers || this.replyMode.skipsNext || this.shared.pauses.active) return
    // Not every command is let through, or each is told of.
    if (this.shared.monitors.size > 0 || (this.subscriptions !== null && this.protocol === 2)) return
    const mayWrite = !this.shared.reads.unsettled(this)
    const followerUp = core.followerLane(this.pair) !== null
    this.#awaited = board.awaited > 0
    if (!traffic.mirrored) this.#writesOne = mayWrite
    else {
      const orderly = board.gates === 0 && core.lastPair === null && core.unseenExpiries.size === 0
      this.#writesBoth = mayWrite && followerUp && orderly && traffic.plainWrites
    }
    if (journal.from[traffic.follower] > 0 && traffic.mirrored) return
    if (traffic.readPlan === ReadPlan.authority || this.watch !== null || (!followerUp && traffic.readPlan !== ReadPlan.compared))
      this.#reads = Reads.authority
    else if (traffic.readPlan === ReadPlan.follower) this.#reads = Reads.follower
    else if (traffic.readPlan === ReadPlan.bySlot) this.#reads = Reads.bySlot
  }

  #quick(spec: CommandSpec, scanner: RequestScanner): number {
    const kind = spec.kind
    if (kind === Kind.ReadPlain) return this.#quickRead(spec, scanner)
    // Scripts and libraries are looked at even where one side alone gets them: the other one will need them.
    if (
      this.#writesOne &&
      spec.write &&
      !spec.mayBlock &&
      (kind <= Kind.WriteGlobal || (kind === Kind.Publish && this.subscriptions === null))
    )
      return this.#awaited ? this.#quickAlone(spec, scanner) : this.#authorityPlan
    if (!this.#writesBoth) return Plan.slow
    // A SET without options is the most common write of all, and as plain as any.
    if (
      kind !== Kind.WritePlain &&
      !(spec === plainSet && scanner.argc === 3) &&
      !(kind === Kind.WriteFar && this.shared.core.traffic.covered)
    )
      return Plan.slow
    const at = singleKey(spec, scanner.argc)
    if (at === 0) return Plan.slow
    const stripe = stripeOf(scanner.buf, scanner.offsets[2 * at] as number, scanner.offsets[2 * at + 1] as number, this.db)
    return this.shared.core.board.flags[stripe] === 0 ? Plan.both : Plan.slow
  }

  /** A write to the authority alone that blocked clients may wait for. */
  #quickAlone(spec: CommandSpec, scanner: RequestScanner): number {
    const at = singleKey(spec, scanner.argc)
    if (at === 0) return Plan.slow
    const stripe = stripeOf(scanner.buf, scanner.offsets[2 * at] as number, scanner.offsets[2 * at + 1] as number, this.db)
    return ((this.shared.core.board.flags[stripe] as number) & Stripe.awaited) === 0 ? this.#authorityPlan : Plan.slow
  }

  #quickRead(spec: CommandSpec, scanner: RequestScanner): number {
    // A cursor belongs to the side that gave it.
    if (this.#reads === Reads.slow || spec.cursor) return Plan.slow
    if (this.#reads === Reads.authority) return this.#authorityPlan
    const at = singleKey(spec, scanner.argc)
    if (at === 0) return Plan.slow
    const offset = scanner.offsets[2 * at] as number
    const length = scanner.offsets[2 * at + 1] as number
    const { board, traffic } = this.shared.core
    if (((board.flags[stripeOf(scanner.buf, offset, length, this.db)] as number) & readFlags) !== 0) return Plan.slow
    if (this.#reads === Reads.follower) return this.#authorityPlan === Plan.source ? Plan.target : Plan.source
    return slotOf(scanner.buf, offset, length) < traffic.targetSlots ? Plan.target : Plan.source
  }

  /** Sends the run of plain commands collected so far. */
  #endRun(): void {
    const count = this.#runCount
    if (count === 0) return
    const { core } = this.shared
    const plan = this.#runPlan
    const both = plan === Plan.both
    const lane = both ? core.authorityLane(this.pair) : plan === Plan.source ? this.pair.source : this.pair.target
    const batch = new Batch(core, this, lane.side, both, this.#runBuf, this.#runStart, this.#runEnd, count)
    this.#runCount = 0
    this.#runPlan = Plan.none
    this.replies.push(batch)
    lane.prepare(this.context)
    lane.send(batch.buf, batch.start, batch.end, batch, count)
    core.counters.sides[lane.side].commands += count
    if (!both) return
    core.intents?.run(batch.buf, batch.start, batch.end, this.db, count)
    const follower = this.pair.lane(core.traffic.follower)
    follower.prepare(this.context)
    follower.send(batch.buf, batch.start, batch.end, batch, count)
    core.counters.sides[follower.side].commands += count
  }

  /** One command off the hot path; false where the session parked on it. */
  #oneByOne(large: LargeFrame | null): boolean {
    const scanner = this.#reader.scanner
    const args = large === null ? scanner : shownArguments(large)
    const spec = specOf(args)
    const frame: Frame =
      large === null
        ? { buf: scanner.buf, start: scanner.frameStart, end: scanner.position, pieces: null }
        : { buf: args.buf, start: 0, end: 0, pieces: large.pieces }
    const { core } = this.shared
    if (!this.#again) {
      core.counters.commands[spec.id] = (core.counters.commands[spec.id] as number) + 1
      this.lastCommand = spec
    }
    const parkedBefore = this.#again
    if (handleCommand(this, spec, args, frame) === 'parked') {
      if (!parkedBefore) this.parkedSinceMs = core.turn.nowMs
      this.#again = true
      this.#parked = true
      if (!this.#isWatched) this.socket.pause()
      return false
    }
    if (parkedBefore) core.counters.holdWait(core.turn.nowMs - this.parkedSinceMs)
    this.#again = false
    this.parkedSinceMs = 0
    if (this.subscriptions !== null && this.protocol === 3) hearOwn(this, this.subscriptions, spec)
    if (this.shared.monitors.size > 0 && !isBarred(this, spec)) this.shared.monitors.report(this, spec, large ?? viewed(args))
    return true
  }

  #malformed(problem: string): void {
    this.replies.answer(encodeError(`ERR ${problem}`))
    this.closeAfterReplies()
  }

  /** Reads on, or not: bounded by what is owed to the client, by what it has not read, and by what its lane has waiting. */
  #regulate(): void {
    if (this.#closing) return
    const { core } = this.shared
    const full =
      ((this.#parked || this.#heldBack) && !this.#isWatched) ||
      this.replies.length >= owedRepliesMax ||
      this.output.congested ||
      (this.replies.length > 0 && core.authorityLane(this.pair).bufferedBytes > core.limits.laneBufferBytes)
    if (full === this.#paused) return
    this.#paused = full
    if (full) this.socket.pause()
    else this.socket.resume()
  }

  /** Every reply is out, or the client has read what it left unread. */
  #relieved(): void {
    if (this.tracking !== null && this.replies.length === 0) {
      this.tracking.drained()
      if (this.#parked) this.unpark()
    }
    if (!this.#parked) this.#regulate()
  }
}

/** A script waits for what it wrote, if need be, by itself. */
function hearOwn(session: Session, subscriptions: ClientSubscriptions, { kind, name }: CommandSpec): void {
  if (session.transaction !== null) return
  if (kind === Kind.Publish) subscriptions.ownMessages(true)
  else if (name === 'exec' || kind === Kind.Script) subscriptions.ownMessages(false)
}

/** Which argument is the command's only key; 0 where there are several, or none. */
function singleKey(spec: CommandSpec, argc: number): number {
  const first = spec.firstKey
  const last = spec.lastKey < 0 ? argc + spec.lastKey : spec.lastKey
  return first < argc && last >= first && last - first < spec.keyStep ? first : 0
}

const viewed = (args: ArgView): MonitoredCommand => ({ argc: args.argc, argument: (i) => argBytes(args, i) })
