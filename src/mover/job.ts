/**
 * The bulk copy as a job that can be paused, slowed down, stopped and taken up again: everything the authority has (copy), and before and
 * after it whatever the follower has and the authority has not (sweep). What a batch could not copy goes to the journal, whose healing tries
 * again key by key; so the job ends when everything was looked at, and the sides agree when the journal is empty.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { endedBefore } from '../dispatch/scan-ledger.ts'
import { isTemporaryKey } from '../dispatch/typed/temporary-key.ts'
import { failureClassOf, stopsAll } from '../routing/copy-failure.ts'
import { otherSide, type Side, sides } from '../routing/modes.ts'
import { slotCount, slotOf } from '../routing/slot.ts'
import type { Checkpoint, Store } from '../state/store.ts'
import { Allowance } from './allowance.ts'
import { BatchesUnderWay } from './batches-under-way.ts'
import { Brake } from './brake.ts'
import type { Copier } from './copier.ts'
import type { CopyOutcome } from './copy-outcome.ts'
import { databasesToScan, databasesUnfit, misfitsOf } from './database-fit.ts'
import { FunctionCopy } from './functions.ts'
import { nothingIsOver } from './key-census.ts'
import { type OpenPage, OpenPages } from './open-pages.ts'
import { OtherServer, PassServers } from './pass-servers.ts'
import { type MoverLimits, type MoverState, type ProgressSnapshot, Rate } from './progress.ts'
import { keyCounts, missingKeys, type Page, scanPage } from './scan.ts'
import { Standstill } from './standstill.ts'

/** Which part of the key space: hash slots from..below. */
export interface SlotRange {
  readonly from: number
  readonly below: number
}

/**
 * `clear` is a sweep before the copy: a stale key of the follower that a client creates anew on both sides, behind the copy's cursor, would
 * keep what it held. It is not taken up again from a checkpoint.
 */
type Pass = 'clear' | 'copy' | 'sweep'
const checkpointName = 'mover'
const reconnectWaitMs = 100
/** What is copied before anything else: how large the values are, and which way they go best, is known from then on. */
const firstKeys = 16
/** Consecutive failures to reach a server before the job says so and stops. */
const failuresMax = 300

export class MoverJob {
  readonly functions: FunctionCopy
  /** Started and stopped with the process. */
  readonly brake: Brake
  /** Shared with the healing, which finds out when it is over. */
  readonly standstill: Standstill
  readonly limits: MoverLimits
  state: MoverState = 'idle'
  range: SlotRange = { from: 0, below: slotCount }
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #servers: PassServers
  readonly #copier: Copier
  readonly #store: Store
  readonly #allowance: Allowance
  readonly #batches = new BatchesUnderWay()
  readonly #pages = new OpenPages()
  #pass: Pass | null = null
  #total = 0
  #counts = { scanned: 0, copied: 0, deleted: 0, retried: 0, failed: 0, bytes: 0 }
  #rates = { keys: new Rate(), bytes: new Rate() }
  #startedAt: string | null = null
  #lastError: string | null = null
  #run = 0
  #resumed: (() => void)[] = []
  #failures = 0
  #isFirst = true

  constructor(core: Core, lanes: Lanes, copier: Copier, store: Store, limits: MoverLimits) {
    this.#core = core
    this.#lanes = lanes
    this.#servers = new PassServers(core, lanes)
    this.#copier = copier
    this.#store = store
    this.functions = new FunctionCopy(core, lanes)
    this.standstill = new Standstill(core.events)
    this.limits = { ...limits }
    this.brake = new Brake(core, lanes, this)
    this.#allowance = new Allowance(this.limits, this.brake, this.standstill)
  }

  get copying(): boolean {
    return this.state === 'running'
  }

  get batchesUnderWay(): number {
    return this.#batches.count
  }

  setLimits(patch: Partial<MoverLimits>): void {
    Object.assign(this.limits, patch)
    this.#allowance.limitsChanged()
  }

  /** Begins a copy of the range, or goes on with the one whose checkpoint fits. Resolves true when it is through, false when stopped or failed. */
  async start(range: SlotRange, sweep: boolean): Promise<boolean> {
    const run = ++this.#run
    const stored = this.#store.loadCheckpoint(checkpointName)
    const fits = stored !== null && stored.from === range.from && stored.below === range.below
    this.range = range
    this.state = 'running'
    this.brake.begin()
    this.#lastError = null
    this.#failures = 0
    this.#pages.clear()
    this.#startedAt = new Date().toISOString()
    this.#rates = { keys: new Rate(), bytes: new Rate() }
    this.#counts = { scanned: fits ? stored.keysScanned : 0, copied: 0, deleted: 0, retried: 0, failed: 0, bytes: 0 }
    this.#core.journal.countFrom(fits ? endedBefore(stored) : null)
    this.#copier.rules?.begin(fits ? stored : null)
    try {
      await this.#mustFit(run)
      await (this.#copier.rules === null ? this.functions.copy() : this.functions.addMissing())
      const checkpoint = fits && (await this.#isOfThese(run, stored)) ? stored : null
      const goesOn = checkpoint !== null
      const swept = checkpoint?.pass === 'sweep'
      if (sweep && !goesOn && this.#alive(run)) await this.#scan('clear', run, null)
      if (!swept && this.#alive(run)) await this.#scan('copy', run, checkpoint)
      if (
        sweep &&
        this.#alive(run) &&
        !(this.#counts.failed === 0 && (await nothingIsOver(this.#core, this.#lanes))) &&
        this.#alive(run)
      ) {
        await this.#scan('sweep', run, swept ? checkpoint : null)
      }
    } catch (error) {
      if (!this.#alive(run)) return false
      this.#lastError = (error as Error).message
      this.state = 'failed'
      this.brake.end()
      this.#core.events.record('mover', 'the mover stopped', { reason: this.#lastError })
      return false
    }
    if (!this.#alive(run)) return false
    this.#store.clearCheckpoint(checkpointName)
    this.state = 'done'
    this.brake.end()
    this.#pass = null
    return true
  }

  pause(): void {
    if (this.state === 'running') this.state = 'paused'
  }

  resume(): void {
    if (this.state === 'paused') this.state = 'running'
    this.brake.release()
    for (const go of this.#resumed.splice(0)) go()
  }

  /** Gives the copy up; `keep` leaves its checkpoint for a later start. */
  stop(keep: boolean): void {
    this.#run++
    if (keep) this.#checkpoint()
    else this.#store.clearCheckpoint(checkpointName)
    this.state = 'idle'
    this.brake.end()
    this.#pass = null
    for (const go of this.#resumed.splice(0)) go()
  }

  snapshot(): ProgressSnapshot {
    const counts = this.#counts
    const nowMs = performance.now()
    if (this.state === 'running') {
      this.#rates.keys.add(nowMs, counts.scanned)
      this.#rates.bytes.add(nowMs, counts.bytes)
    }
    const keysPerSecond = this.state === 'running' ? this.#rates.keys.perSecond() : 0
    const left = Math.max(0, this.#total - counts.scanned)
    return {
      state: this.state,
      pass: this.#pass === 'clear' ? 'sweep' : this.#pass,
      keysTotal: this.#total,
      keysScanned: counts.scanned,
      keysCopied: counts.copied,
      keysDeleted: counts.deleted,
      keysRetried: counts.retried,
      keysFailed: counts.failed,
      bytesCopied: counts.bytes,
      keysPerSecond,
      bytesPerSecond: this.state === 'running' ? this.#rates.bytes.perSecond() : 0,
      etaSeconds: keysPerSecond > 0 ? left / keysPerSecond : null,
      startedAt: this.#startedAt,
      throttle: this.#allowance.text,
      speedPercent: this.brake.speedPercent,
      lastError: this.#lastError,
      account: this.#core.journal.ledger.counts(),
      limits: { ...this.limits },
    }
  }

  #alive(run: number): boolean {
    return run === this.#run
  }

  /** Nothing is copied where some of it would have no place. */
  async #mustFit(run: number): Promise<void> {
    const misfits = await this.#patiently(run, () => misfitsOf(this.#lanes, this.#core.traffic.authority))
    if (misfits !== null && misfits.length > 0) throw databasesUnfit(misfits)
  }

  /** The scan goes on only between the same two starts of the same servers: see PassServers. */
  async #isOfThese(run: number, { servers, pass, keysScanned }: Checkpoint): Promise<boolean> {
    const { events, journal } = this.#core
    for (const side of sides) await this.#patiently(run, () => keyCounts(this.#lanes.lane(side)))
    if (!this.#alive(run)) return false
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
    this.#counts.scanned = 0
    journal.countFrom(null)
    this.#copier.rules?.begin(null)
    return false
  }

  async #scan(pass: Pass, run: number, from: { db: number; cursor: string } | null): Promise<void> {
    const { traffic, events } = this.#core
    const scanned: Side = pass === 'copy' ? traffic.authority : otherSide(traffic.authority)
    this.#pass = pass
    for (let start = from; ; start = null) {
      try {
        await this.#scanAll(pass, run, scanned, start)
        break
      } catch (error) {
        if (!(error instanceof OtherServer)) throw error
        events.record('mover', 'the mover begins its pass anew', { reason: error.message, data: { pass } })
        await this.#batches.untilAtMost(0)
        this.#pages.clear()
        this.#store.clearCheckpoint(checkpointName)
        if (pass !== 'copy') continue
        this.#core.journal.countFrom(null)
        this.#copier.rules?.begin(null)
      }
    }
    await this.#batches.untilAtMost(0)
    // A cursor of this pass means nothing to the next.
    if (this.#alive(run)) this.#pages.clear()
  }

  async #scanAll(pass: Pass, run: number, scanned: Side, from: { db: number; cursor: string } | null): Promise<void> {
    const counts = await this.#patiently(run, () => keyCounts(this.#lanes.lane(scanned)))
    this.#copier.rules?.leaveOut(counts ?? new Map(), pass === 'copy' && from === null ? this.#core.journal.ledger : null)
    this.#total = [...(counts?.values() ?? [])].reduce((sum, { keys }) => sum + keys, 0)
    this.#counts.scanned = from === null ? 0 : this.#counts.scanned
    this.#rates.keys = new Rate()
    // One that goes on began when its checkpoint was looked at.
    if (from === null) this.#servers.begin(scanned)
    const dbs = (await this.#patiently(run, () => databasesToScan(this.#core, this.#lanes, scanned, counts?.keys() ?? []))) ?? []
    for (const db of dbs) {
      if (from !== null && db < from.db) continue
      await this.#scanDatabase(pass, run, scanned, db, from !== null && db === from.db ? from.cursor : '0')
    }
    for (const db of dbs) await this.#scanMoved(pass, run, scanned, db, this.#servers.since)
  }

  /** The next page is asked for while this one is copied, so the scan never waits for the copies. */
  async #scanDatabase(pass: Pass, run: number, scanned: Side, db: number, start: string): Promise<void> {
    const ask = (cursor: string): Promise<Page | null> =>
      this.#patiently(run, () => scanPage(this.#lanes.lane(scanned), db, cursor, this.brake.shape.batchKeys))
    const server = this.#servers.startOf(scanned)
    let cursor = start
    let coming: Promise<Page | null> | null = ask(cursor)
    while (coming !== null) {
      const page: Page | null = await coming
      await this.#mayGoOn()
      if (page === null || !this.#alive(run)) return
      this.#servers.mustBe(scanned, server)
      coming = page.next === '0' ? null : ask(page.next)
      // Whoever stops the job leaves the page that is coming to nobody.
      coming?.catch(() => undefined)
      await this.#work(pass, run, db, cursor, page)
      cursor = page.next
    }
  }

  /** What may have gone past the scan, from a server that it had not reached to one that it had left. */
  async #scanMoved(pass: Pass, run: number, scanned: Side, db: number, since: number): Promise<void> {
    const layout = this.#lanes.layouts[scanned]
    if (layout === null || !this.#alive(run)) return
    const moved = await this.#patiently(run, async () => new Set([...layout.movedSince(since), ...(await layout.inTransit())]))
    for (const slot of moved ?? []) {
      const keys = await this.#patiently(run, () => layout.keysIn(slot, db))
      await this.#mayGoOn()
      if (keys === null || !this.#alive(run)) return
      await this.#work(pass, run, db, '0', { next: '0', keys: [...keys] })
    }
  }

  /** Hands a page over in batches; waits only for a free place, not for the copies. */
  async #work(pass: Pass, run: number, db: number, cursor: string, page: Page): Promise<void> {
    const { from, below } = this.range
    const whole = from === 0 && below === slotCount
    const own = page.keys.some(isTemporaryKey)
    const data = own ? page.keys.filter((key) => !isTemporaryKey(key)) : page.keys
    const within = whole ? data : data.filter((key) => inside(slotOf(key, 0, key.length), from, below))
    const inRange = this.#copier.rules?.named(db, within) ?? within
    this.#counts.scanned += page.keys.length
    this.#core.counters.mover.keysScanned += page.keys.length
    const { authority } = this.#core.traffic
    const { ledger } = this.#core.journal
    if (pass === 'copy') {
      ledger.found(page.keys.length)
      ledger.ended('skipped', page.keys.length - inRange.length)
    }
    const keys =
      pass === 'copy' ? inRange : await this.#patiently(run, () => missingKeys(this.#lanes.lane(authority), db, inRange))
    if (keys === null || keys.length === 0) return
    // One batch that has to wait must not leave the checkpoint far behind.
    while (this.#alive(run) && this.#pages.count > this.limits.batchesInFlight) await this.#batches.untilOneEnds()
    if (!this.#alive(run)) return
    const open = this.#pages.begin(db, cursor)
    for (let at = 0; at < keys.length; ) {
      const batch = keys.slice(at, at + this.#batchKeys())
      at += batch.length
      await this.#batches.untilAtMost(this.#isFirst ? 0 : this.brake.shape.batchesInFlight - 1)
      await this.#wait(run, batch.length)
      if (!this.#alive(run)) return
      open.left++
      this.#batches.begin()
      void this.#copy(pass, run, db, batch, authority).then(() => {
        this.#isFirst = false
        this.#finished(run, open)
        this.#batches.end()
      })
    }
    this.#finished(run, open)
  }

  async #copy(pass: Pass, run: number, db: number, keys: Buffer[], from: Side): Promise<void> {
    const beganMs = performance.now()
    const outcome = await this.#copier.copy(db, keys, from)
    const endedMs = performance.now()
    this.brake.copied(endedMs - beganMs, endedMs)
    this.#allowance.spend(outcome.bytes)
    const counts = this.#counts
    const { journal, counters } = this.#core
    counts.copied += outcome.copied
    counts.deleted += outcome.deleted
    counts.bytes += outcome.bytes
    counts.retried += outcome.busy.length + outcome.unknown.length
    counts.failed += outcome.failed.length
    counters.mover.keysCopied += outcome.copied
    counters.mover.keysDeleted += outcome.deleted
    counters.mover.bytesCopied += outcome.bytes
    counters.mover.keysRetried += outcome.busy.length + outcome.unknown.length
    counters.mover.keysFailed += outcome.failed.length
    for (const key of outcome.busy) journal.mark(db, key, from, outcome.lost ?? 'it was in use when the mover came by')
    // The healing takes its time for each, and the scan goes on.
    for (const key of outcome.long) journal.mark(db, key, from, 'it is long, and copied by itself')
    for (const { key, error, side } of outcome.failed) {
      journal.mark(db, key, from, error)
      const failure = failureClassOf(error)
      if (stopsAll(failure)) this.standstill.begin({ failure, side, error, db, key }, endedMs)
    }
    if (pass === 'copy' && this.#alive(run)) this.#enter(db, outcome)
    if (!this.#store.nothingFailed) this.#settle(db, keys, outcome)
    if (outcome.lost !== null) this.#lastError = outcome.lost
  }

  /** What failed once and is copied now leaves the queue; what is in the journal, or should be, is not settled yet. */
  #settle(db: number, keys: readonly Buffer[], { busy, unknown, failed, long }: CopyOutcome): void {
    const { journal } = this.#core
    const open = new Set([...busy, ...unknown, ...long, ...failed.map(({ key }) => key)])
    const settled = keys.filter((key) => !open.has(key) && journal.truthOf(db, key) === null)
    this.#store.settleFailed(settled.map((key) => ({ db, key })))
  }

  /** Each key of a batch ends here, or is owed by the journal, where it was marked. */
  #enter(db: number, { copied, absent, passedOver, skipped, busy, unknown, failed, long }: CopyOutcome): void {
    const { journal } = this.#core
    journal.ledger.ended('copied', copied)
    journal.ledger.ended('vanished', absent.length)
    journal.ledger.ended('skipped', passedOver + skipped.length)
    for (const key of [...busy, ...unknown, ...long]) journal.owe(db, key)
    for (const { key } of failed) journal.owe(db, key)
  }

  /** Keys per batch such that a batch stays below its bytes, by the size of what was copied so far. */
  #batchKeys(): number {
    const { copied, bytes } = this.#counts
    const { batchKeys, batchBytes } = this.brake.shape
    if (copied === 0) return Math.min(batchKeys, firstKeys)
    return Math.max(1, Math.min(batchKeys, Math.floor(batchBytes / (bytes / copied + 1))))
  }

  /** Until nothing stands against another batch; also for whoever was stopped meanwhile. */
  async #wait(run: number, keys: number): Promise<void> {
    for (;;) {
      await this.#mayGoOn()
      if (!this.#alive(run)) return
      const waitMs = this.#allowance.waitMs(keys, performance.now())
      if (waitMs === 0) return
      await delay(Math.min(waitMs, 200))
    }
  }

  async #mayGoOn(): Promise<void> {
    while (this.state === 'paused') await new Promise<void>((resolve) => this.#resumed.push(resolve))
  }

  /** Asks again while a server is away; null once the job was stopped. Throws where it stays away. */
  async #patiently<T>(run: number, go: () => Promise<T>): Promise<T | null> {
    for (;;) {
      if (!this.#alive(run)) return null
      try {
        const result = await go()
        this.#failures = 0
        return result
      } catch (error) {
        this.#lastError = (error as Error).message
        // Where nothing is answered for the moment, it will be; one that is gone may not come back.
        if (!stopsAll(failureClassOf(this.#lastError)) && ++this.#failures > failuresMax) throw error
        await delay(reconnectWaitMs)
      }
    }
  }

  #finished(run: number, open: OpenPage): void {
    open.left--
    // What a stopped run still had under way says nothing of the checkpoint: it may have been given up.
    if (!this.#alive(run)) return
    if (this.#pages.advance()) this.#checkpoint()
  }

  /** Whenever a page is through: after a crash no more than those that were under way are copied twice. */
  #checkpoint(): void {
    const oldest = this.#pass === 'clear' ? undefined : this.#pages.oldest
    const servers = this.#servers.named()
    if (oldest === undefined) return
    // What was left of the pages before is in the journal: it has to be there before they are passed over.
    this.#core.journal.save()
    this.#store.saveCheckpoint(checkpointName, {
      db: oldest.db,
      cursor: oldest.cursor,
      servers,
      keysScanned: this.#counts.scanned,
      pass: this.#pass,
      from: this.range.from,
      below: this.range.below,
      ...this.#core.journal.ledger.counts(),
      ...this.#copier.rules?.counted(),
    })
  }
}

const inside = (slot: number, from: number, below: number): boolean => slot >= from && slot < below
