/**
 * EXEC of a client that watches keys, on the connection that watches them. That connection has no order with the shared lanes: first
 * everything sent before on them is answered, then the block goes out, and its keys stay held until its reply is there.
 */
import type { Lane } from '../upstream/lane.ts'
import type { Block } from './block.ts'
import { type BlockDone, type BlockErrand, BlockWrite, nilOf } from './block-write.ts'
import type { Client } from './client.ts'
import type { Core } from './core.ts'
import type { Lanes } from './lanes.ts'

interface WatchedLimits {
  /** How long the lanes may take to answer what was sent before; then EXEC is not sent, and answered as if a watched key had changed. */
  readonly drainMs: number
  /** How long EXEC's answer may take while others wait for its keys; then its connection is cut off and its keys are copied. */
  readonly answerMs: number
}

/** As long as a client waits for an authority that is away; and longer than any block that an application would wait for. */
const watchedLimits: WatchedLimits = { drainMs: 1_000, answerMs: 30_000 }

/** The connection on which keys are watched. */
export interface WatchedSide {
  /** Null where it was lost, or the authority is another one now: what was watched may have changed unseen. */
  readonly lane: Lane | null
}

export class WatchedRun {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #client: Client
  readonly #side: WatchedSide
  readonly #limits: WatchedLimits
  readonly #write: BlockWrite
  #timer: NodeJS.Timeout
  #waiting = true

  constructor(
    core: Core,
    lanes: Lanes,
    client: Client,
    block: Block,
    side: WatchedSide,
    errand: BlockErrand,
    limits = watchedLimits,
  ) {
    this.#core = core
    this.#lanes = lanes
    this.#client = client
    this.#side = side
    this.#limits = limits
    const done: BlockDone = (sent) => {
      clearTimeout(this.#timer)
      errand.done(sent)
    }
    this.#write = new BlockWrite(core, client, block, { ...errand, done })
    this.#timer = setTimeout(() => this.#giveUp(), limits.drainMs)
  }

  start(): void {
    this.#client.replies.push(this.#write)
    this.#lanes.whenAnswered(this.#core.traffic.authority, () => this.#send())
  }

  #send(): void {
    if (!this.#waiting) return
    const { lane } = this.#side
    if (lane === null) {
      this.#giveUp()
      return
    }
    this.#waiting = false
    clearTimeout(this.#timer)
    const { answerMs } = this.#limits
    this.#timer = setTimeout(() => lane.fail(new Error(`no answer to EXEC within ${answerMs} ms`)), answerMs)
    this.#write.send(lane)
  }

  #giveUp(): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#write.unsent(nilOf(this.#client.protocol))
  }
}
