/**
 * The phases and the way between them. Every step is the same: what blocks it, what it does, an event with its numbers, the state
 * saved. One step at a time; rollback waits for nobody but the step that runs.
 */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { authorityOf, type TrafficWish } from '../dispatch/traffic.ts'
import { FerryError } from '../errors.ts'
import type { MoverJob } from '../mover/job.ts'
import type { Phase, Strategy } from '../routing/modes.ts'
import { slotCount } from '../routing/slot.ts'
import type { Store } from '../state/store.ts'
import { blockersOf, type Situation, type Step, wrongPhase } from './blockers.ts'
import { Copying, emptyTruth } from './copying.ts'
import { DatabasePlaces } from './database-places.ts'
import type { Flip } from './flip.ts'
import { Memory } from './memory.ts'
import type { MigrationRecord } from './state.ts'
import { type OnConflict, TargetKeys } from './target-keys.ts'

export interface StepRequest {
  readonly reason?: string | undefined
  readonly dryRun?: boolean | undefined
  readonly expectedPhase?: Phase | undefined
}

export interface StepAnswer {
  readonly applied: boolean
  readonly blockers: string[]
  readonly steps: string[]
}

/** Of a step that may be the first to write to the target. */
interface Conflict {
  /** Absent: refuse. */
  readonly onConflict?: OnConflict | undefined
}

/** What holds a step back where the configuration asks for it. */
export interface Gates {
  /** 0 = none. */
  readonly verificationMaxAgeMs: number
  /** Keys that the target has are given up, whatever they are. */
  readonly targetGivenUp: boolean
}

/** How often it is looked whether a copy has to begin again, and whether the databases have their places. */
const lookAroundMs = 100

export class Migration {
  readonly record: MigrationRecord
  readonly memory: Memory
  readonly copying: Copying
  readonly databases: DatabasePlaces
  readonly targetKeys: TargetKeys
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #flip: Flip
  readonly #store: Store
  readonly #gates: Gates
  #busy: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | null = null

  constructor(core: Core, lanes: Lanes, job: MoverJob, flip: Flip, store: Store, record: MigrationRecord, gates: Gates) {
    this.#core = core
    this.#lanes = lanes
    this.#flip = flip
    this.#store = store
    this.record = record
    this.#gates = gates
    this.memory = new Memory(core, store, record)
    this.targetKeys = new TargetKeys(core, lanes, this.memory, gates.targetGivenUp)
    this.copying = new Copying(core, lanes, job, this.memory, this.targetKeys, (below) => this.#copied(below))
    this.databases = new DatabasePlaces(core, lanes)
  }

  /**
   * Takes up what a former process left. After an unclean stop the keys that it had in flight are in the journal by now; `unknown`: why they
   * are not, then nothing is trusted. A copy that was under way goes on from its checkpoint, unless everything was in doubt already.
   */
  recover(clean: boolean, unknown: string | null): void {
    const { journal, traffic } = this.#core
    traffic.apply(this.memory.wish)
    traffic.cover(this.record.coveredSlots)
    const doubted = this.record.resyncReason ?? journal.resyncReason
    const reason = unknown ?? (doubted !== null ? 'not everything was copied yet' : null)
    if (doubted !== null) this.#core.doubtAll(doubted)
    if (!clean && traffic.mirrored && reason !== null) {
      this.#store.clearCheckpoint('mover')
      this.#core.doubtAll(`Ferry was not stopped in order, and ${reason}`)
    }
    if (!traffic.mirrored) journal.clear()
    else if (this.record.moving || journal.resyncReason !== null) this.copying.goOn()
    this.#timer = setInterval(() => this.#lookAround(), lookAroundMs)
  }

  #lookAround(): void {
    this.databases.lookIfDue()
    this.targetKeys.lookIfDue()
    this.copying.startAgainIfDue()
  }

  situation(): Situation {
    const { journal, traffic } = this.#core
    return {
      phase: this.record.phase,
      covered: traffic.covered,
      resyncReason: journal.resyncReason,
      dirtyKeys: journal.size,
      failedKeys: this.#store.countFailed(),
      functionProblem: this.#core.libraries.problem,
      databaseProblem: this.databases.problem,
      targetKeysProblem: this.targetKeys.problem,
      sourceUp: this.#lanes.lane('source').up,
      targetUp: this.#lanes.lane('target').up,
      moverRunning: this.copying.running,
      paused: this.record.state === 'paused',
      verification: this.verification(),
    }
  }

  /** The last one of every key, where what it said may still hold. */
  verification(): Situation['verification'] {
    return this.memory.verification(this.#gates.verificationMaxAgeMs)
  }

  start(request: StepRequest & Conflict & { strategy?: Strategy | undefined }): Promise<StepAnswer> {
    const strategy = request.strategy ?? 'canary'
    return this.#step('start', request, [`phase mirror: writes go to both sides (strategy ${strategy})`], async () => {
      if (authorityOf({ ...this.record, phase: 'mirror' }) === 'target') throw emptyTruth()
      this.targetKeys.take(request.reason)
      this.record.strategy = strategy
      this.record.state = 'running'
      this.#enter('mirror', { readMode: 'old', readPercentage: 0 })
      // A canary copies in step with its ramp; every other strategy needs the whole data set first.
      if (strategy !== 'canary') this.copying.start()
    })
  }

  /** Reads follow the copy: the share that is read from the target never exceeds the share that is known to be there. */
  ramp(request: StepRequest & Conflict & { percent: number }): Promise<StepAnswer> {
    const { percent } = request
    const slots = Math.round((percent / 100) * slotCount)
    const copies = slots > this.#core.traffic.coveredSlots
    const steps = [`reads of ${percent} % of the key space go to the target`]
    if (copies) steps.unshift(`copy the first ${percent} % of the key space; reads follow when it is there`)
    const go = async (): Promise<void> => {
      if (copies) this.targetKeys.take(request.reason)
      this.record.state = 'running'
      this.#enter('canary', { readMode: 'ratio', readPercentage: percent })
      if (copies && !this.copying.running) this.copying.start(slots)
    }
    // Fewer reads of the target need no proof of what is there.
    const down = this.record.readMode === 'ratio' && percent <= this.record.readPercentage
    return this.#step('ramp', request, steps, go, down)
  }

  cutover(request: StepRequest): Promise<StepAnswer> {
    const steps = [
      'hold new writes until both sides have answered everything',
      'heal what is left',
      'the target becomes the authority',
    ]
    return this.#step('cutover', request, steps, async () => {
      await this.#flipTo('cutover', this.#onTarget)
    })
  }

  complete(request: StepRequest): Promise<StepAnswer> {
    return this.#step('complete', request, ['writes go to the target only; the source is left as it is'], async () => {
      const { traffic, journal } = this.#core
      this.copying.drop()
      // What only the source has right (a policy made it the authority, or took its word) has to reach the target first.
      if (traffic.authority === 'source' || journal.from.source > 0) await this.#flipTo('complete', { readMode: 'new' })
      else this.#enter('complete', { readMode: 'new' })
      this.record.state = 'completed'
      this.#core.notes.changedAll('writes go to the target alone')
      this.#core.journal.clear()
      this.#store.clearDirty()
    })
  }

  /** From any phase, in one call. The way back never waits for blockers: a dead target is a reason for it, not against it. */
  rollback(request: StepRequest & { to?: 'mirror' | 'observe' | undefined }): Promise<StepAnswer> {
    const { phase } = this.record
    const to = request.to ?? (phase === 'mirror' ? 'observe' : 'mirror')
    if (phase === 'complete') return this.#rollbackCompleted(request)
    const steps =
      phase === 'cutover'
        ? ['the source becomes the authority again', `phase ${to}`]
        : [`phase ${to}: reads come from the source`]
    return this.#always(request, steps, async () => {
      // After `complete` the source has missed writes: asked twice, the way back is still the one through the copy.
      if (this.record.state === 'rolling_back' && !this.#core.traffic.covered && this.#lanes.lane('target').up) {
        this.copying.start()
        return
      }
      if (authorityOf(this.memory.wish) === 'target') await this.#flipTo('mirror', backToSource, true)
      this.#enter(to, backToSource)
      if (to === 'observe') this.#forgetTarget()
      this.record.state = 'rolled_back'
    })
  }

  pause(request: StepRequest): Promise<StepAnswer> {
    return this.#always(request, ['the mover stops, steps are held back; traffic goes on'], async () => {
      this.copying.pause()
      this.record.state = 'paused'
    })
  }

  resume(request: StepRequest): Promise<StepAnswer> {
    return this.#always(request, ['the mover goes on, steps are free'], async () => {
      this.copying.resume()
      this.record.state = 'running'
    })
  }

  /** Copies everything. @throws FerryError `blocked`, `databases-unfit`, `phase-conflict` */
  async startMover({ onConflict, reason }: Conflict & { reason?: string | undefined }): Promise<void> {
    this.databases.refuseMisfits()
    const { traffic } = this.#core
    if (traffic.mirrored) await this.targetKeys.look()
    if (onConflict === 'replace' && traffic.mirrored && traffic.authority === 'source') this.targetKeys.take(reason)
    this.copying.start()
  }

  /** Read mode, policy and share, as asked. A policy that moves the truth goes through the same barrier as a cut-over. */
  async setTraffic(patch: Partial<Omit<TrafficWish, 'phase'>>, reason: string | undefined): Promise<void> {
    await this.#alone(async () => {
      const wish = { ...this.memory.wish, ...patch }
      const moves = authorityOf(wish) !== authorityOf(this.memory.wish)
      if (moves) {
        const blockers = blockersOf('cutover', this.situation())
        if (blockers.length > 0)
          throw new FerryError('blocked', 'this policy makes the other side the authority', { details: blockers })
        await this.#flipTo(this.record.phase, patch)
      } else {
        if (patch.readMode === 'new' && this.#core.traffic.mirrored && !this.#core.traffic.covered) {
          throw new FerryError('blocked', 'not every key is on the target yet', {
            details: ['start the mover and let it finish'],
          })
        }
        this.#refuseParts(patch.readMode)
        this.#enter(this.record.phase, patch)
      }
      this.#core.events.record('traffic', 'traffic was set', {
        reason,
        data: { ...patch, tenants: patch.tenants?.join(',') ?? null },
      })
    })
  }

  /** Writes before this moment may have left parts of keys on the target, which a fallback would take for the whole. */
  #refuseParts(readMode: TrafficWish['readMode'] | undefined): void {
    const { traffic } = this.#core
    if (readMode !== 'fallback-on-miss' || !traffic.mirrored || traffic.covered || this.record.readMode === readMode) return
    throw new FerryError(
      'blocked',
      'fallback-on-miss has to be on before the first write goes to both sides, or after everything is copied',
      {
        details: ['start the mover and let it finish'],
      },
    )
  }

  /** Before the process ends. */
  suspend(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.copying.suspend()
  }

  #copied(below: number): void {
    const wanted = Math.round((this.record.readPercentage / 100) * slotCount)
    if (this.record.phase === 'canary' && wanted > below) this.copying.start(wanted)
    else if (this.record.state === 'rolling_back') void this.rollback({ reason: 'the source has everything again' })
  }

  /** The source has missed what was written since `complete`: it is copied back first, with the target still in charge. */
  #rollbackCompleted(request: StepRequest): Promise<StepAnswer> {
    return this.#always(
      request,
      ['writes go to both sides again', 'copy the target back to the source', 'then the source becomes the authority'],
      async () => {
        this.record.state = 'rolling_back'
        this.#core.traffic.cover(0)
        this.#enter('cutover', this.#onTarget)
        this.copying.start()
      },
    )
  }

  /** Whatever the policy is: the target has the truth. */
  get #onTarget(): Partial<TrafficWish> {
    const { writePolicy } = this.record
    return {
      writePolicy: writePolicy === 'old-authoritative' ? 'new-authoritative' : writePolicy,
      readMode: 'new',
      readPercentage: 100,
    }
  }

  #forgetTarget(): void {
    this.copying.drop()
    this.#core.notes.changedAll('writes go to the source alone')
    this.#core.journal.clear()
    this.#store.clearDirty()
    this.#core.traffic.cover(0)
    this.memory.save()
  }

  #flipTo(phase: Phase, patch: Partial<TrafficWish>, force = false): Promise<void> {
    return this.copying.brokenOffFor(() => this.#flipNow(phase, patch, force))
  }

  async #flipNow(phase: Phase, patch: Partial<TrafficWish>, force: boolean): Promise<void> {
    const result = await this.#flip.run(() => this.#enter(phase, patch), force)
    this.#core.events.record('phase', result.done ? 'the authority changed' : 'the authority could not be changed in order', {
      reason: result.done ? null : result.reason,
      data: { waitedMs: Math.round(result.waitedMs * 10) / 10, forced: !result.done && force },
    })
    if (result.done) return
    if (!force) throw new FerryError('blocked', 'the authority could not be changed', { details: [result.reason] })
    // What only the other side has stays in the journal with that side as its truth, and is healed when it can be reached.
    this.#enter(phase, patch)
  }

  #enter(phase: Phase, patch: Partial<TrafficWish>): void {
    const before = this.record.phase
    const { traffic, flipListeners } = this.#core
    const authority = traffic.authority
    const { writePolicy, readMode, readPercentage, ratioBy, tenants } = { ...this.memory.wish, ...patch }
    Object.assign(this.record, { phase, writePolicy, readMode, readPercentage, ratioBy, tenants: [...tenants] })
    traffic.apply(this.memory.wish)
    if (traffic.authority !== authority) for (const listener of flipListeners) listener.flipped(traffic.authority)
    this.memory.save()
    if (before !== phase) this.#core.events.record('phase', `phase ${before} → ${phase}`, { data: { from: before, to: phase } })
  }

  #step(
    step: Step,
    request: StepRequest & Conflict,
    steps: string[],
    go: () => Promise<void>,
    ungated = false,
  ): Promise<StepAnswer> {
    return this.#alone(async () => {
      this.#expect(request)
      await this.databases.look()
      await this.targetKeys.look()
      const wrong = wrongPhase(step, this.record.phase)
      const found = this.situation()
      const now = request.onConflict === 'replace' ? { ...found, targetKeysProblem: null } : found
      const situation = ungated ? { ...now, verification: { ...now.verification, maxAgeMs: 0 } } : now
      const blockers = [...(wrong === null ? [] : [wrong]), ...blockersOf(step, situation)]
      if (request.dryRun) return { applied: false, blockers, steps }
      if (wrong !== null) throw new FerryError('phase-conflict', wrong, { details: blockers })
      if (blockers.length > 0) throw new FerryError('blocked', `${step} is held back`, { details: blockers })
      return this.#carryOut(request, steps, go)
    })
  }

  #always(request: StepRequest, steps: string[], go: () => Promise<void>): Promise<StepAnswer> {
    return this.#alone(async () => {
      this.#expect(request)
      return request.dryRun ? { applied: false, blockers: [], steps } : this.#carryOut(request, steps, go)
    })
  }

  async #carryOut(request: StepRequest, steps: string[], go: () => Promise<void>): Promise<StepAnswer> {
    await go()
    this.memory.save()
    this.#core.events.record('step', steps.join('; '), {
      reason: request.reason,
      data: { phase: this.record.phase, state: this.record.state },
    })
    return { applied: true, blockers: [], steps }
  }

  #expect(request: StepRequest): void {
    if (request.expectedPhase !== undefined && request.expectedPhase !== this.record.phase) {
      throw new FerryError('phase-conflict', `expected phase ${request.expectedPhase}, this is ${this.record.phase}`)
    }
  }

  #alone<T>(go: () => Promise<T>): Promise<T> {
    const run = this.#busy.then(go, go)
    this.#busy = run.catch(() => undefined)
    return run
  }
}

const backToSource = { writePolicy: 'old-authoritative', readMode: 'old', readPercentage: 0 } as const
