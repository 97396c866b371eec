/**
 * The copying of the data set: from where to where it goes on, when it counts, and that what came into doubt as a whole is copied again.
 * What follows from a copy that is through is the migration's business (`through`).
 */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { FerryError } from '../errors.ts'
import type { MoverJob } from '../mover/job.ts'
import { slotCount } from '../routing/slot.ts'
import type { Memory } from './memory.ts'
import type { TargetKeys } from './target-keys.ts'

/** A copy that ended in doubt is begun again after so long, and each time after twice as long. */
const recopyWaitMinMs = 500
const recopyWaitMaxMs = 60_000

export class Copying {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #job: MoverJob
  readonly #memory: Memory
  readonly #targetKeys: TargetKeys
  readonly #through: (below: number) => void
  #doubtsAtStart = 0
  #recopyWaitMs = recopyWaitMinMs
  /** Turn clock. */
  #recopyAtMs = 0

  /** `through`: a copy has reached its end without a doubt, and the slots up to `below` are covered. */
  constructor(core: Core, lanes: Lanes, job: MoverJob, memory: Memory, targetKeys: TargetKeys, through: (below: number) => void) {
    this.#core = core
    this.#lanes = lanes
    this.#job = job
    this.#memory = memory
    this.#targetKeys = targetKeys
    this.#through = through
  }

  get running(): boolean {
    return this.#job.state === 'running'
  }

  get #underWay(): boolean {
    return this.#job.state === 'running' || this.#job.state === 'paused'
  }

  /** Copies slots up to `below`, from where the coverage ends; the whole, with a sweep, where everything is in doubt. */
  start(below = slotCount): void {
    const { traffic, journal } = this.#core
    const { record } = this.#memory
    if (!traffic.mirrored)
      throw new FerryError('phase-conflict', `the mover needs writes on both sides; this is phase ${record.phase}`)
    if (this.#underWay) return
    this.#targetKeys.refuse()
    const early = record.phase === 'mirror' || record.phase === 'canary'
    if (early && traffic.authority === 'target' && traffic.coveredSlots === 0 && journal.resyncReason === null) throw emptyTruth()
    const whole = journal.resyncReason !== null || traffic.covered
    const range = { from: whole ? 0 : traffic.coveredSlots, below: whole ? slotCount : below }
    const doubts = this.#core.doubts
    this.#doubtsAtStart = doubts
    this.#core.recopy = 'no'
    record.moving = true
    this.#memory.save()
    this.#core.events.record('mover', 'the mover started', { data: { fromSlot: range.from, belowSlot: range.below } })
    void this.#job.start(range, true).then((through) => this.#copied(through, range.below, doubts))
  }

  /** Goes on with what a former process had under way; once that is known where it is not yet whose keys the target has. */
  goOn(): void {
    if (this.#targetKeys.permits) this.start()
    else this.#core.recopy = 'due'
  }

  stop(): void {
    this.drop()
    this.#memory.save()
  }

  /** As `stop`, for whoever saves the record himself. */
  drop(): void {
    this.#job.stop(false)
    this.#memory.record.moving = false
  }

  pause(): void {
    this.#job.pause()
  }

  resume(): void {
    this.#job.resume()
  }

  /** Before the process ends: what was reached, and whether a copy was under way. */
  suspend(): void {
    // What was copied before everything came into doubt has to be copied once more: the checkpoint must not skip it.
    if (this.#underWay) this.#job.stop(this.#core.doubts === this.#doubtsAtStart)
    this.#memory.save()
  }

  /** A copy knows one direction: what it has begun would be the wrong one behind the flip. */
  async brokenOffFor(flip: () => Promise<void>): Promise<void> {
    const copied = this.#underWay
    if (copied) this.#job.stop(false)
    try {
      await flip()
    } finally {
      if (copied && this.#core.traffic.mirrored) this.start()
    }
  }

  /** What came into doubt as a whole is copied again. A copy that would spread a loss is not gone on with. */
  startAgainIfDue(): void {
    const { recopy, traffic, turn } = this.#core
    const under = this.#underWay
    if (recopy === 'held' && under) this.stop()
    const sidesUp = this.#lanes.lane('source').up && this.#lanes.lane('target').up
    if (recopy !== 'due' || under || !sidesUp || !traffic.mirrored || this.#memory.record.state === 'paused') return
    if (turn.tick() >= this.#recopyAtMs && this.#targetKeys.permits) this.start()
  }

  #copied(through: boolean, below: number, doubts: number): void {
    if (!through) return
    const { traffic, journal, events } = this.#core
    this.#memory.record.moving = false
    if (this.#core.doubts !== doubts) {
      if (this.#core.recopy === 'no') this.#core.recopy = 'due'
      this.#recopyWaitMs = Math.min(recopyWaitMaxMs, this.#recopyWaitMs * 2)
      this.#recopyAtMs = this.#core.turn.tick() + this.#recopyWaitMs
      events.record('mover', 'the copy is through, but something changed meanwhile that cannot be told key by key', {
        reason: journal.resyncReason,
      })
      this.#memory.save()
      return
    }
    journal.resyncReason = null
    this.#recopyWaitMs = recopyWaitMinMs
    traffic.cover(below)
    const { keysCopied, keysDeleted, bytesCopied } = this.#job.snapshot()
    events.record('mover', 'the copy is through', { data: { keysCopied, keysDeleted, bytesCopied, coveredSlots: below } })
    this.#memory.save()
    this.#through(below)
  }
}

export const emptyTruth = (): FerryError =>
  new FerryError('blocked', 'the target has to be copied to before it can be the authority', {
    details: [
      'new-authoritative makes the target the truth, and everything that it lacks would be deleted: set another policy first',
    ],
  })
