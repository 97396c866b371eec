/**
 * The two passes over every database: all keys of the source compared with the target, then those of the target that the source lacks.
 * Keeps the place up to which everything was compared, whatever order batches end in.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Side } from '../routing/modes.ts'
import { Pace } from './pace.ts'
import type { VerifyPlace } from './verify-checkpoint.ts'
import type { Comparison } from './verify-compare.ts'
import type { Finding } from './verify-finding.ts'
import type { Pair } from './verify-pair.ts'
import { verb } from './verify-requests.ts'
import { inSample } from './verify-sample.ts'
import { eachInFlight, scanKeys } from './verify-scan.ts'
import { Tally } from './verify-tally.ts'

/** Batches side by side: while one is compared, the servers work on the next. Each is of a thousand keys. */
const batchesInFlight = 4

interface Batch {
  readonly keys: readonly Buffer[]
  readonly next: string
  readonly scanned: number
  readonly tally: Tally
  done: boolean
}

export interface WalkOptions {
  /** 100 = all. */
  readonly samplePercent: number
  /** 0 = unlimited. */
  readonly keysPerSecondMax: number
  readonly signal: AbortSignal | undefined
  readonly found: (db: number, findings: readonly Finding[]) => void
  /** After each batch. */
  readonly progress: () => void
}

const existsVerb = verb('EXISTS')

export class Walk {
  readonly #pair: Pair
  readonly #comparison: Comparison
  readonly #options: WalkOptions
  readonly #pace: Pace
  /** Where to go on; null before the first database and behind the last. */
  place: VerifyPlace | null = null
  /** Whether everything was walked. */
  through = false
  /** Up to `place`. */
  readonly settled = new Tally()
  settledScanned = 0
  /** With what is ahead of `place`. */
  readonly tally = new Tally()
  scanned = 0

  constructor(pair: Pair, comparison: Comparison, options: WalkOptions) {
    this.#pair = pair
    this.#comparison = comparison
    this.#options = options
    this.#pace = new Pace(options.keysPerSecondMax, performance.now())
  }

  /** `databases` in order; `from`: where an earlier walk was. */
  async run(databases: readonly number[], from: VerifyPlace | null): Promise<void> {
    const { source, target } = this.#pair
    for (const db of databases) {
      if (from !== null && db < from.db) continue
      const here = from !== null && db === from.db ? from : null
      await Promise.all([source.select(db), target.select(db)])
      if (here === null || here.side === 'source') await this.#pass(db, 'source', here?.cursor ?? '0')
      await this.#pass(db, 'target', here?.side === 'target' ? here.cursor : '0')
    }
    this.place = null
    this.through = true
  }

  async #pass(db: number, side: Side, from: string): Promise<void> {
    this.place = { db, side, cursor: from }
    const open: Batch[] = []
    await eachInFlight(this.#batches(side, from), batchesInFlight, async (batch) => {
      open.push(batch)
      const { keys, tally } = batch
      const wanted = side === 'source' ? keys : await this.#absentOnSource(keys)
      if (wanted.length > 0) this.#options.found(db, await this.#comparison.compare(wanted, tally))
      batch.done = true
      this.tally.add(tally)
      this.scanned += batch.scanned
      this.#settle(open, db, side)
      this.#options.progress()
    })
  }

  async *#batches(side: Side, from: string): AsyncGenerator<Batch> {
    const { samplePercent } = this.#options
    for await (const { keys, next } of scanKeys(this.#pair[side], from)) {
      const wanted = samplePercent >= 100 ? keys : keys.filter((key) => inSample(key, samplePercent))
      await this.paced(wanted.length)
      yield { keys: wanted, next, scanned: keys.length, tally: new Tally(), done: false }
    }
  }

  /** Resolves when so many keys more may be looked at. */
  async paced(keys: number): Promise<void> {
    if (keys === 0) return
    for (let ms = this.#pace.waitMs(keys, performance.now()); ms > 0; ms = this.#pace.waitMs(keys, performance.now())) {
      await delay(ms, undefined, { signal: this.#options.signal })
    }
  }

  #settle(open: Batch[], db: number, side: Side): void {
    for (let first = open[0]; first?.done; first = open[0]) {
      open.shift()
      this.settled.add(first.tally)
      this.settledScanned += first.scanned
      // '0' would begin the pass anew: until the next one begins, the last batch counts as not compared.
      if (first.next !== '0') this.place = { db, side, cursor: first.next }
    }
  }

  /** One command for the whole batch: in the usual case they are all there. A cluster node refuses it, then each is asked for. */
  async #absentOnSource(keys: readonly Buffer[]): Promise<readonly Buffer[]> {
    const { source } = this.#pair
    if (keys.length === 0 || (await source.call(['EXISTS', ...keys])) === keys.length) return []
    const exists = await source.perKey([existsVerb], keys)
    return keys.filter((_, index) => exists[index] !== 1)
  }
}
