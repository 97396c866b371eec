/**
 * Copies everything and then follows: what changes at the source goes to the journal, whose healing copies it again. Where changes may have
 * gone unseen, everything is looked at again. The source is only read.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { FerryError } from '../errors.ts'
import { slotCount } from '../routing/slot.ts'
import { askServer } from './ask-server.ts'
import type { ChangeFeed, ChangeListener } from './change-feed.ts'
import { ChangedKeys } from './changed-keys.ts'
import { type CommandCounts, commandCounts } from './command-counts.ts'
import { groupedStreams } from './live-streams.ts'
import { keyCounts } from './scan.ts'
import type { StandAlone } from './stand-alone.ts'

/** How often it is asked what is not told, and whether the connection still is one. */
const lookMs = 250
/** A feed that does not answer for so long is taken for cut off. */
const silentMs = 10_000
const restMs = 20
/** After a pass that did not come to its end. */
const againMs = 1_000
/** Walks over all streams take at most so much of the time. */
const walkShare = 0.1
const walkRestMsMin = 500

export interface LiveOptions {
  readonly notice: 'tracking' | 'notifications'
  /** What notifications need may be switched on at the source, and is put back at the end. */
  readonly maySet: boolean
  /** Ends once nothing changed for so long; null = never. */
  readonly quietMs: number | null
}

export interface LiveCounts {
  /** Keys that the source told of, each time it did. */
  readonly changes: number
  /** Whole looks at everything, finished. */
  readonly passes: number
  /** Changed keys that are not copied again yet. */
  readonly waiting: number
  /** Since it all was equal or on its way: nothing but changed keys is copied. */
  readonly following: boolean
}

export class LiveCopy implements ChangeListener {
  readonly #alone: StandAlone
  readonly #keys: ChangedKeys
  #feed: ChangeFeed | null = null
  /** Why everything has to be looked at again. */
  #due: string | null = 'nothing was copied yet'
  #listening = false
  #passes = 0
  #doubts = 0
  #counts: CommandCounts | null = null
  #blind: string | null = null
  #walked: CommandCounts | null = null
  #walkNotBeforeMs = 0
  #fault: Error | null = null

  constructor(alone: StandAlone) {
    this.#alone = alone
    this.#keys = new ChangedKeys(alone.core, alone.lanes, (reason) => this.#mustLookAgain(reason))
  }

  counts(): LiveCounts {
    return {
      changes: this.#keys.told,
      passes: this.#passes,
      waiting: this.#keys.waiting + this.#alone.core.journal.size,
      following: this.#passes > 0 && this.#due === null && this.#alone.job.state !== 'running',
    }
  }

  /**
   * Until `signal`, or until nothing changed for `quietMs` (null: never). Everything that was changed before then is copied when it resolves.
   * @throws FerryError `interrupted` where a pass was under way or due, `blocked` where the source cannot be believed any more.
   */
  async run(feed: ChangeFeed, sweep: boolean, quietMs: number | null, signal: AbortSignal): Promise<void> {
    this.#feed = feed
    const { core, job } = this.#alone
    await this.#keys.begin()
    await feed.start()
    this.#counts = await this.#look()
    this.#walked = this.#counts
    // What an earlier run had copied may have been changed since.
    job.stop(false)
    const ended = new AbortController()
    const looking = this.#keepLooking(ended.signal)
    try {
      while (!signal.aborted && this.#fault === null && !this.#isQuiet(quietMs)) {
        if (this.#due !== null && this.#listening) await this.#pass(sweep || this.#passes > 0)
        else await delay(restMs)
      }
    } finally {
      ended.abort()
      await looking
    }
    if (this.#fault !== null) throw this.#fault
    this.#alone.fault.throwIfAborted()
    await this.#lastLook(core.journal)
  }

  async stop(): Promise<void> {
    this.#keys.stop()
    await this.#feed?.stop()
  }

  listening(): void {
    this.#listening = true
  }

  changed(db: number | null, keys: readonly Buffer[]): void {
    this.#keys.add(db, keys)
  }

  flushed(): void {
    this.#mustLookAgain('the source was emptied, or one of its databases')
  }

  deaf(reason: string): void {
    this.#listening = false
    this.#mustLookAgain(`changes at the source went unseen for a while (${reason})`)
  }

  #mustLookAgain(reason: string): void {
    if (this.#due === null || this.#alone.job.state === 'running')
      this.#alone.core.events.record('mover', 'everything is looked at again', { reason })
    this.#due = reason
  }

  #isQuiet(quietMs: number | null): boolean {
    const { following, waiting } = this.counts()
    return quietMs !== null && following && waiting === 0 && performance.now() - this.#keys.lastMs >= quietMs
  }

  /** What is found to be due meanwhile is for the next pass. */
  async #pass(sweep: boolean): Promise<void> {
    const { core, job } = this.#alone
    this.#due = null
    this.#doubts = core.doubts
    if (await job.start({ from: 0, below: slotCount }, sweep)) {
      this.#passes++
      core.journal.resyncReason = null
    } else {
      this.#due ??= job.snapshot().lastError ?? 'the copy was stopped'
      if (job.state === 'failed') await delay(againMs)
    }
  }

  async #keepLooking(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await delay(lookMs, undefined, { signal: ended }).catch(() => undefined)
      if (ended.aborted || !this.#listening) continue
      try {
        await this.#heartbeat()
        await this.#lookAround()
      } catch (error) {
        // What a server that is gone did not answer is asked again.
        if (error instanceof FerryError) this.#fault = error
      }
    }
  }

  async #heartbeat(): Promise<void> {
    const timer = setTimeout(() => this.#feed?.cut(`no answer within ${silentMs} ms`), silentMs)
    try {
      await this.#feed?.caughtUp()
    } finally {
      clearTimeout(timer)
    }
  }

  async #look(): Promise<CommandCounts | null> {
    try {
      const counts = commandCounts(String(await askServer(this.#alone.lanes.source, 0, ['INFO', 'commandstats'])))
      this.#blind = null
      return counts
    } catch (error) {
      const { message } = error as Error
      if (this.#blind === null) this.#tellBlind(message)
      this.#blind = message
      return null
    }
  }

  #tellBlind(reason: string): void {
    this.#alone.core.events.record('mover', 'SWAPDB and changes of stream groups at the source go unseen', { reason })
  }

  /** What the feed does not tell, and whether the target is still what it was. */
  async #lookAround(): Promise<void> {
    const { core, job } = this.#alone
    if (core.doubts !== this.#doubts) {
      this.#doubts = core.doubts
      this.#mustLookAgain(core.journal.resyncReason ?? 'everything is in doubt')
    }
    const now = await this.#look()
    const before = this.#counts
    if (now === null || before === null) return
    this.#counts = now
    if (now.swap !== before.swap) this.#mustLookAgain('databases of the source were swapped')
    if (now.flush !== before.flush && this.#feed?.tellsFlush === false) this.flushed()
    if (now.functions !== before.functions) await job.functions.copy()
    if (performance.now() >= this.#walkNotBeforeMs) await this.#walk(now)
  }

  async #walk(now: CommandCounts): Promise<void> {
    const before = this.#walked
    if (before === null || now.groups === before.groups) return
    const lane = this.#alone.lanes.source
    const beganMs = performance.now()
    for (const db of (await keyCounts(lane)).keys())
      for await (const keys of groupedStreams(lane, db, now.group !== before.group)) this.#keys.add(db, keys)
    this.#walked = now
    const endedMs = performance.now()
    this.#walkNotBeforeMs = endedMs + Math.max(walkRestMsMin, (endedMs - beganMs) / walkShare)
  }

  /** Everything that was changed before the signal. */
  async #lastLook(journal: { readonly size: number }): Promise<void> {
    this.#walkNotBeforeMs = 0
    try {
      if (this.#isThrough) {
        await this.#heartbeat()
        await this.#lookAround()
      }
    } catch (error) {
      throw error instanceof FerryError ? error : new FerryError('interrupted', `stopped, and ${(error as Error).message}`)
    }
    if (!this.#isThrough) throw new FerryError('interrupted', `stopped, and everything has to be looked at: ${this.#due}`)
    // What is changed from now on is not ours.
    await this.#feed?.stop()
    const { fault } = this.#alone
    while (this.#keys.waiting + journal.size > 0 && !fault.aborted) await delay(restMs)
  }

  get #isThrough(): boolean {
    return this.#due === null && this.#passes > 0
  }
}
