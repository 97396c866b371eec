/**
 * The bulk copy as a job that can be paused, slowed down, stopped and taken up again: everything the authority has (copy), and before and
 * after it whatever the follower has and the authority has not (sweep). What a batch could not copy goes to the journal, whose healing tries
 * again key by key; so the job ends when everything was looked at, and the sides agree when the journal is empty. Here is what a copy consists
 * of, and where it goes on; its pages come from PassScan, and are copied by Batching.
 */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { endedBefore } from '../dispatch/scan-ledger.ts'
import { isTemporaryKey } from '../dispatch/typed/temporary-key.ts'
import { otherSide, type Side, sides } from '../routing/modes.ts'
import type { Checkpoint, Store } from '../state/store.ts'
import { Allowance } from './allowance.ts'
import { BatchAccount } from './batch-account.ts'
import { Batching } from './batching.ts'
import { Brake } from './brake.ts'
import type { Copier } from './copier.ts'
import { databasesUnfit, misfitsOf } from './database-fit.ts'
import { FunctionCopy } from './functions.ts'
import { JobRun } from './job-run.ts'
import { nothingIsOver } from './key-census.ts'
import { LongPace } from './long-pace.ts'
import { type FoundPage, PassScan, type ScanPlace } from './pass-scan.ts'
import { OtherServer, PassServers } from './pass-servers.ts'
import { type MoverLimits, type MoverState, Progress, type ProgressSnapshot } from './progress.ts'
import type { RuledCopy } from './ruled-copy.ts'
import { keyCounts, missingKeys } from './scan.ts'
import { keysWithin, type SlotRange } from './slot-range.ts'
import { Standstill } from './standstill.ts'

/**
 * `clear` is a sweep before the copy: a stale key of the follower that a client creates anew on both sides, behind the copy's cursor, would
 * keep what it held. It is not taken up again from a checkpoint.
 */
type Pass = 'clear' | 'copy' | 'sweep'
const checkpointName = 'mover'

export class MoverJob {
  readonly functions: FunctionCopy
  /** Started and stopped with the process. */
  readonly brake: Brake
  /** Shared with the healing, which finds out when it is over. */
  readonly standstill: Standstill
  readonly limits: MoverLimits
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #store: Store
  readonly #rules: RuledCopy | null
  readonly #servers: PassServers
  readonly #scan: PassScan
  readonly #allowance: Allowance
  readonly #account: BatchAccount
  readonly #batching: Batching
  readonly #longs: LongPace
  readonly #progress = new Progress()
  #run: JobRun
  #pass: Pass | null = null

  constructor(core: Core, lanes: Lanes, copier: Copier, store: Store, limits: MoverLimits) {
    this.#core = core
    this.#lanes = lanes
    this.#store = store
    this.#rules = copier.rules
    this.functions = new FunctionCopy(core, lanes)
    this.standstill = new Standstill(core.events)
    this.#run = new JobRun({ from: 0, below: 0 }, this.#progress, this.standstill, 'idle')
    this.limits = { ...limits }
    this.brake = new Brake(core, lanes, this)
    this.#servers = new PassServers(core, lanes)
    this.#scan = new PassScan(core, lanes, this.#servers, this.brake)
    this.#allowance = new Allowance(this.limits, this.brake, this.standstill)
    this.#longs = new LongPace(this.#allowance, this.brake, this.#progress, core.counters, () => this.state)
    copier.pace = this.#longs
    if (this.#rules !== null) this.#rules.pace = this.#longs
    this.#account = new BatchAccount(core, store, this.standstill, this.#progress)
    const advanced = (): void => this.#checkpoint()
    this.#batching = new Batching(copier, this.#account, this.brake, this.#allowance, this.limits, this.#progress, advanced)
  }

  get state(): MoverState {
    return this.#run.state
  }

  /** Long values are copied beside the job, and behind it. */
  get copying(): boolean {
    return this.state === 'running' || (this.state !== 'paused' && this.#longs.underWay > 0)
  }

  get batchesUnderWay(): number {
    return this.#batching.underWay
  }

  setLimits(patch: Partial<MoverLimits>): void {
    Object.assign(this.limits, patch)
    this.#allowance.limitsChanged()
  }

  /** Begins a copy of the range, or goes on with the one whose checkpoint fits. Resolves true when it is through, false when stopped or failed. */
  async start(range: SlotRange, sweep: boolean): Promise<boolean> {
    this.#run.stop()
    const run = new JobRun(range, this.#progress, this.standstill, 'running')
    this.#run = run
    const stored = this.#store.loadCheckpoint(checkpointName)
    const fitting = stored !== null && stored.from === range.from && stored.below === range.below ? stored : null
    this.brake.release()
    this.brake.begin(this)
    this.#batching.forgetPages()
    this.#progress.begin(fitting?.keysScanned ?? 0)
    this.#core.journal.countFrom(fitting === null ? null : endedBefore(fitting))
    this.#rules?.begin(fitting)
    try {
      await this.#runPasses(run, sweep, fitting)
    } catch (error) {
      if (!run.isWanted) return false
      const { message } = error as Error
      this.#progress.failed(message)
      run.end('failed')
      this.brake.end(this)
      this.#core.events.record('mover', 'the mover stopped', { reason: message })
      return false
    }
    if (!run.isWanted) return false
    this.#store.clearCheckpoint(checkpointName)
    run.end('done')
    this.brake.end(this)
    this.#pass = null
    return true
  }

  /** False: it does not run. */
  pause(): boolean {
    return this.#run.pause()
  }

  resume(): void {
    this.brake.release()
    this.#run.resume()
  }

  /** Gives the copy up; `keep` leaves its checkpoint for a later start. */
  stop(keep: boolean): void {
    this.#run.stop()
    if (keep) this.#checkpoint()
    else this.#store.clearCheckpoint(checkpointName)
    this.brake.end(this)
    this.#pass = null
  }

  /** The healing has copied keys: those of a batch that was cut off come to it. */
  healed(): void {
    this.#account.wentThrough()
  }

  snapshot(): ProgressSnapshot {
    return {
      state: this.state,
      pass: this.#pass === 'clear' ? 'sweep' : this.#pass,
      ...this.#progress.sample(this.copying, performance.now()),
      throttle: this.#allowance.text,
      speedPercent: this.brake.speedPercent,
      lastError: this.#progress.lastError,
      account: this.#core.journal.ledger.counts(),
      limits: { ...this.limits },
    }
  }

  async #runPasses(run: JobRun, sweep: boolean, stored: Checkpoint | null): Promise<void> {
    await this.#mustFit(run)
    await (this.#rules === null ? this.functions.copy() : this.functions.addMissing())
    const checkpoint = stored !== null && (await this.#isOfThese(run, stored)) ? stored : null
    const swept = checkpoint?.pass === 'sweep'
    if (sweep && checkpoint === null && run.isWanted) await this.#runPass('clear', run, null)
    if (!swept && run.isWanted) await this.#runPass('copy', run, checkpoint)
    if (!sweep || !run.isWanted) return
    if (this.#progress.keysFailed === 0 && (await nothingIsOver(this.#core, this.#lanes))) return
    if (run.isWanted) await this.#runPass('sweep', run, swept ? checkpoint : null)
  }

  /** Nothing is copied where some of it would have no place. */
  async #mustFit(run: JobRun): Promise<void> {
    const misfits = await run.patiently(() => misfitsOf(this.#lanes, this.#core.traffic.authority, this.#rules))
    if (misfits !== null && misfits.length > 0) throw databasesUnfit(misfits)
  }

  /** The scan goes on only between the same two starts of the same servers: see PassServers. */
  async #isOfThese(run: JobRun, { servers, pass, keysScanned }: Checkpoint): Promise<boolean> {
    const { events, journal } = this.#core
    for (const side of sides) await run.patiently(() => keyCounts(this.#lanes.lane(side)))
    if (!run.isWanted) return false
    const { authority } = this.#core.traffic
    this.#servers.begin(pass === 'copy' ? authority : otherSide(authority))
    const now = this.#servers.named()
    if (now !== null && servers === now) {
      events.record('mover', 'the mover goes on from its checkpoint', { data: { keysScanned } })
      return true
    }
    events.record('mover', 'the mover begins anew', {
      reason:
        'its checkpoint is of other servers, of an earlier start of these, or of another slot map: a cursor means nothing to them',
    })
    this.#progress.keysScanned = 0
    journal.countFrom(null)
    this.#rules?.begin(null)
    return false
  }

  async #runPass(pass: Pass, run: JobRun, from: ScanPlace | null): Promise<void> {
    const { traffic, events } = this.#core
    const scanned: Side = pass === 'copy' ? traffic.authority : otherSide(traffic.authority)
    this.#pass = pass
    for (let start = from; ; start = null) {
      try {
        await this.#tryPass(pass, run, scanned, start)
        break
      } catch (error) {
        if (!(error instanceof OtherServer)) throw error
        events.record('mover', 'the mover begins its pass anew', { reason: error.message, data: { pass } })
        await this.#batching.untilThrough()
        this.#batching.forgetPages()
        this.#store.clearCheckpoint(checkpointName)
        if (pass !== 'copy') continue
        this.#core.journal.countFrom(null)
        this.#rules?.begin(null)
      }
    }
    await this.#batching.untilThrough()
    if (run.isWanted) this.#batching.forgetPages()
  }

  /** Throws OtherServer where a cursor was given to a server that did not give it. */
  async #tryPass(pass: Pass, run: JobRun, scanned: Side, from: ScanPlace | null): Promise<void> {
    const counts = await run.patiently(() => keyCounts(this.#lanes.lane(scanned)))
    this.#rules?.leaveOut(counts ?? new Map(), pass === 'copy' && from === null ? this.#core.journal.ledger : null)
    const keysTotal = [...(counts?.values() ?? [])].reduce((sum, { keys }) => sum + keys, 0)
    this.#progress.beginPass(keysTotal, from === null ? 0 : this.#progress.keysScanned)
    // One that goes on began when its checkpoint was looked at.
    if (from === null) this.#servers.begin(scanned)
    for await (const page of this.#scan.pages(run, scanned, counts?.keys() ?? [], from)) await this.#copyPage(pass, run, page)
  }

  /** Of the page, what this pass is to copy. */
  async #copyPage(pass: Pass, run: JobRun, { db, cursor, keys }: FoundPage): Promise<void> {
    const data = keys.some(isTemporaryKey) ? keys.filter((key) => !isTemporaryKey(key)) : keys
    const within = keysWithin(run.range, data)
    const inRange = this.#rules?.named(db, within) ?? within
    this.#progress.keysScanned += keys.length
    this.#core.counters.mover.keysScanned += keys.length
    const { authority } = this.#core.traffic
    const { ledger } = this.#core.journal
    if (pass === 'copy') {
      ledger.found(keys.length)
      ledger.ended('skipped', keys.length - inRange.length)
    }
    const due = pass === 'copy' ? inRange : await this.#missing(run, db, inRange)
    if (due === null || due.length === 0) return
    await this.#batching.copy(run, { db, cursor, keys: due }, authority, pass === 'copy')
  }

  /** A sweep asks about every key there is, which is what its speed is limited by. Null once the run was stopped. */
  async #missing(run: JobRun, db: number, keys: readonly Buffer[]): Promise<Buffer[] | null> {
    await this.#batching.untilAllowed(run, keys.length)
    const beganMs = performance.now()
    const missing = await run.patiently(() => missingKeys(this.#lanes.lane(this.#core.traffic.authority), db, keys))
    const endedMs = performance.now()
    this.brake.copied(endedMs - beganMs, endedMs)
    return missing
  }

  /** Whenever a page is through: after a crash no more than those that were under way are copied twice. */
  #checkpoint(): void {
    const oldest = this.#pass === 'clear' ? undefined : this.#batching.oldest
    const servers = this.#servers.named()
    if (oldest === undefined) return
    // What was left of the pages before is in the journal: it has to be there before they are passed over.
    this.#core.journal.save()
    this.#store.saveCheckpoint(checkpointName, {
      db: oldest.db,
      cursor: oldest.cursor,
      servers,
      keysScanned: this.#progress.keysScanned,
      pass: this.#pass,
      from: this.#run.range.from,
      below: this.#run.range.below,
      ...this.#core.journal.ledger.counts(),
      ...this.#rules?.counted(),
    })
  }
}
