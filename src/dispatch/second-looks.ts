/**
 * Two sides answered one read differently. That may be no more than a write or an expiry on its way, so both are asked again a moment
 * later; what differs then is a divergence: it is counted, told, and the keys are copied.
 */
import type { CommandSpec } from '../commands/spec.ts'
import { divergenceEventsPerSecondMax, secondLookMs, secondLooksMax } from '../limits.ts'
import { printable } from '../resp/printable.ts'
import type { Side } from '../routing/modes.ts'
import { stripeOf } from '../routing/stripe.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import type { LanePair } from './lane-pair.ts'
import { readFlags } from './order-board.ts'
import { covered } from './sided-read.ts'

/** What is to be asked again: `frame` holds `replies` whole commands. */
export interface Question {
  readonly pair: LanePair
  readonly context: number
  readonly spec: CommandSpec
  readonly keys: readonly DbKey[]
  readonly frame: Buffer
  readonly replies: number
}

/** One side's answer to a question, as its length, its checksum, and its bytes where they are not too many to be kept. */
export interface Look {
  readonly bytes: Buffer | null
  readonly length: number
  readonly sum: number
}

export type Looks = Readonly<Record<Side, Look>>

export interface Divergence {
  /** The side that has the truth. */
  readonly from: Side
  /** Those of the question's keys that may differ. */
  readonly keys: readonly DbKey[]
}

/** Null where the two answers agree after all. */
type Verdict = (looks: Looks) => Divergence | null

const shownKeyBytes = 128

export class SecondLooks {
  readonly #core: Core
  #open = 0
  #second = 0
  #told = 0
  #untold = 0

  constructor(core: Core) {
    this.#core = core
  }

  later(question: Question, keptBytesMax: number, verdict: Verdict): void {
    if (this.#open >= secondLooksMax) return
    this.#open++
    setTimeout(() => this.#ask(question, keptBytesMax, verdict), secondLookMs).unref()
  }

  #ask(question: Question, keptBytesMax: number, verdict: Verdict): void {
    const core = this.#core
    core.turn.tick()
    const { source, target } = question.pair
    if (!quiet(core, question.keys) || !core.accepts(source) || !core.accepts(target)) {
      this.#open--
      return
    }
    const authority = core.traffic.authority
    const both = new BothAnswers(keptBytesMax, (looks) => {
      this.#open--
      if (looks === null || core.traffic.authority !== authority || !quiet(core, question.keys)) return
      const found = verdict(looks)
      if (found !== null) this.#report(question.spec, found, looks)
    })
    for (const lane of [source, target]) {
      core.counters.sides[lane.side].commands++
      lane.prepare(question.context)
      lane.send(question.frame, 0, question.frame.length, both, question.replies)
    }
  }

  #report(spec: CommandSpec, { from, keys }: Divergence, looks: Looks): void {
    const { counters, journal } = this.#core
    for (const { db, key } of keys) journal.mark(db, key, from, `${spec.name} found the two sides different`)
    counters.journal.marks += keys.length
    // A key that was not copied yet may well be there in part only.
    if (!covered(this.#core, keys)) return
    counters.divergence(spec.family)
    this.#tell(spec, keys, looks)
  }

  #tell(spec: CommandSpec, keys: readonly DbKey[], { source, target }: Looks): void {
    const second = Math.floor(this.#core.turn.nowMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#told = 0
    }
    if (this.#told >= divergenceEventsPerSecondMax) {
      this.#untold++
      return
    }
    this.#told++
    const first = keys[0]
    this.#core.events.record('divergence', 'the two sides answered a read differently, twice', {
      data: {
        command: spec.name,
        key: first === undefined ? null : printable(first.key, shownKeyBytes),
        db: first?.db ?? null,
        keys: keys.length,
        sourceBytes: source.length,
        targetBytes: target.length,
        untold: this.#untold,
      },
    })
    this.#untold = 0
  }
}

/** Whether the sides have to agree about these keys now: no copy under way, nothing known to differ. */
function quiet({ traffic, board }: Core, keys: readonly DbKey[]): boolean {
  return (
    traffic.mirrored && keys.every(({ db, key }) => ((board.flags[stripeOf(key, 0, key.length, db)] as number) & readFlags) === 0)
  )
}

interface Arriving {
  pieces: Buffer[]
  length: number
  look: Look | null
}

/** Collects both answers; null where one of them is lost. */
class BothAnswers implements Waiter {
  readonly sums = true
  readonly #sides: Record<Side, Arriving> = { source: arriving(), target: arriving() }
  readonly #keptBytesMax: number
  #done: ((looks: Looks | null) => void) | null

  constructor(keptBytesMax: number, done: (looks: Looks | null) => void) {
    this.#keptBytesMax = keptBytesMax
    this.#done = done
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    const side = this.#sides[lane.side]
    side.length += to - from
    if (side.length <= this.#keptBytesMax) side.pieces.push(chunk.subarray(from, to))
    else side.pieces = []
    if (!ended) return
    const bytes = side.length <= this.#keptBytesMax ? Buffer.concat(side.pieces) : null
    side.look = { bytes, length: side.length, sum: lane.sum }
    const { source, target } = this.#sides
    if (source.look !== null && target.look !== null) this.#finish({ source: source.look, target: target.look })
  }

  lost(): void {
    this.#finish(null)
  }

  #finish(looks: Looks | null): void {
    const done = this.#done
    this.#done = null
    done?.(looks)
  }
}

const arriving = (): Arriving => ({ pieces: [], length: 0, look: null })
