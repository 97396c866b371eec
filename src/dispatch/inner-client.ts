/**
 * A client inside Ferry that runs commands for one outside, one at a time, and keeps their replies: on the other's lanes, in its
 * database and protocol, by the ordinary paths. So what a blocked client takes goes to both sides like any other write.
 */
import { encodeCommand } from '../resp/encode.ts'
import type { RequestScanner } from '../resp/request-scanner.ts'
import type { ReplyLane } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import { framesIn, specOf } from './command-keys.ts'
import type { Core } from './core.ts'
import { exchange } from './key-transfer.ts'
import type { LanePair } from './lane-pair.ts'
import type { Lanes } from './lanes.ts'
import { ReplyQueue } from './reply-queue.ts'
import type { WritePath } from './write-path.ts'

/** How often it is looked whether the authority can take a command again, beside being told that it is connected. */
const retryMs = 50

interface Task {
  readonly frame: Buffer
  readonly write: boolean
  readonly done: (reply: Buffer | null) => void
  sent: boolean
}

export class InnerClient implements Client {
  readonly replies: ReplyQueue
  parkedSinceMs = 0
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #writes: WritePath
  readonly #outer: Client
  #task: Task | null = null
  #pieces: Buffer[] = []
  #waking = false
  #timer: NodeJS.Timeout | null = null

  constructor(core: Core, lanes: Lanes, writes: WritePath, outer: Client) {
    this.#core = core
    this.#lanes = lanes
    this.#writes = writes
    this.#outer = outer
    this.replies = new ReplyQueue({
      write: (buf, start, end) => this.#pieces.push(buf.subarray(start, end)),
      drained: () => this.#end(Buffer.concat(this.#pieces)),
    })
  }

  get id(): number {
    return this.#outer.id
  }

  get pair(): LanePair {
    return this.#outer.pair
  }

  get db(): number {
    return this.#outer.db
  }

  get protocol(): number {
    return this.#outer.protocol
  }

  get context(): number {
    return this.#outer.context
  }

  get tenant(): string {
    return this.#outer.tenant
  }

  get watching(): boolean {
    return false
  }

  /** As a write, in the order of all others; resolves when the authority, or whoever the policy trusts, has answered. Null: cancelled. */
  write(argv: readonly (Buffer | string)[]): Promise<Buffer | null> {
    return this.#run(argv, true)
  }

  /** As a read of the authority. One whose answer is lost is asked again. Null: cancelled. */
  read(argv: readonly (Buffer | string)[]): Promise<Buffer | null> {
    return this.#run(argv, false)
  }

  /** Gives up a command that has not left yet; whether that was so. */
  cancel(): boolean {
    if (this.#task === null || this.#task.sent) return false
    this.#end(null)
    return true
  }

  unpark(): void {
    if (this.#waking || this.#task === null) return
    this.#waking = true
    queueMicrotask(() => {
      this.#waking = false
      if (this.#task === null || this.#task.sent) return
      this.#core.turn.tick()
      this.#try(this.#task)
    })
  }

  pressed(_lane: ReplyLane): void {
    // What it is answered is kept whole anyway.
  }

  holdBack(): void {
    // It runs one command at a time.
  }

  goOn(): void {
    // As above.
  }

  abort(reason: string): void {
    this.#outer.abort(reason)
    this.#end(null)
  }

  #run(argv: readonly (Buffer | string)[], write: boolean): Promise<Buffer | null> {
    return new Promise((done) => {
      this.#pieces = []
      this.#task = { frame: encodeCommand(argv), write, done, sent: false }
      this.#try(this.#task)
    })
  }

  #try(task: Task): void {
    const core = this.#core
    if (!core.accepts(core.authorityLane(this.pair))) this.#waitForAuthority()
    else if (task.write) this.#write(task)
    else void this.#read(task)
  }

  #write(task: Task): void {
    const { frame } = task
    const args = framesIn(frame, 0, frame.length).next().value as RequestScanner
    const { waits, turn } = this.#core
    waits.muted = true
    // Before it is tried: some policies answer at once.
    task.sent = true
    try {
      task.sent =
        this.#writes.write(this, specOf(args), args, { buf: frame, start: 0, end: frame.length, pieces: null }) === 'sent'
    } finally {
      waits.muted = false
    }
    if (task.sent) this.parkedSinceMs = 0
    else if (this.parkedSinceMs === 0) this.parkedSinceMs = turn.nowMs
  }

  async #read(task: Task): Promise<void> {
    const lane = this.#core.authorityLane(this.pair)
    const { frame } = task
    task.sent = true
    this.#core.counters.sides[lane.side].commands++
    const reply = await exchange(lane, this.context, 1, (to) => to.write(frame, 0, frame.length)).catch(() => null)
    if (this.#task !== task) return
    if (reply !== null) {
      this.#core.counters.sides[lane.side].ok++
      this.#end(reply)
      return
    }
    task.sent = false
    this.#waitForAuthority()
  }

  #waitForAuthority(): void {
    this.#lanes.wait(this)
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.unpark()
    }, retryMs).unref()
  }

  #end(reply: Buffer | null): void {
    const task = this.#task
    this.#task = null
    this.#pieces = []
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#lanes.forget(this)
    task?.done(reply)
  }
}
