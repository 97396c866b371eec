/**
 * Copies the keys of one batch, and chooses the way: strings as strings where nearly all are, a long value by itself and in pieces while it is
 * written to, everything else whole. Whichever it is, what makes the copy safe is HeldTransfer: nothing is read or written past it but what a
 * long value can do without a hold.
 */
import type { AccessCarry } from '../dispatch/access-carry.ts'
import type { Core } from '../dispatch/core.ts'
import type { Payload } from '../dispatch/key-transfer.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { longKeys } from '../dispatch/long-keys.ts'
import { isMostlyStrings } from '../dispatch/strings-first.ts'
import { Windows } from '../dispatch/typed/windows.ts'
import { passageBetween, readLong, readStringsFirst, readValues } from '../dispatch/value-transfer.ts'
import { otherSide, type Side } from '../routing/modes.ts'
import { type CopyOutcome, noteFailure, nothingDone } from './copy-outcome.ts'
import { HeldTransfer, type Manner } from './held-transfer.ts'
import { LongCopy } from './long-copy.ts'
import type { LongPace } from './long-pace.ts'
import type { RuledCopy } from './ruled-copy.ts'

/** From this patience on a long value is held all the time: it was tried often enough to copy it while it is written to. */
const heldFrom = 8
/** For the last part of such a copy, which is short. */
const lastPatience = 20

export class Copier {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #held: HeldTransfer
  /** Whether a long value may be copied while it is written to: only where the writes are seen, and a hold ends it. */
  readonly #follows: boolean
  /** Null: everything is copied as it is. Others are for a copy beside which no client writes. */
  readonly rules: RuledCopy | null
  readonly #carry: AccessCarry | null
  /** Of the job, which sets it; null: long values are copied as fast as they can be. */
  pace: LongPace | null = null
  /** Resolves when the long value that was begun last is through. */
  #longTurn: Promise<void> = Promise.resolve()

  /** `holds` and `seesWrites`: see HeldTransfer. `carry` null: how keys were used is not asked for. */
  constructor(
    core: Core,
    lanes: Lanes,
    holds = true,
    rules: RuledCopy | null = null,
    seesWrites = true,
    carry: AccessCarry | null = null,
  ) {
    this.#core = core
    this.#lanes = lanes
    this.#held = new HeldTransfer(core, lanes, holds, rules, seesWrites)
    this.#follows = holds && seesWrites
    this.rules = rules
    this.#carry = carry
  }

  /**
   * Never rejects. `behindGate`: the caller closed the gate itself. `cautious`: see Journal.distrust. `patience`: how many times the usual limit
   * the keys' writes may have to wait. The keys are of one database; nil on the reading side means the key is deleted on the other.
   */
  async copy(
    db: number,
    keys: readonly Buffer[],
    from: Side,
    behindGate = false,
    cautious = false,
    patience = 1,
  ): Promise<CopyOutcome> {
    const outcome = nothingDone()
    const whole: Manner = {
      behindGate,
      cautious,
      patience,
      queues: false,
      read: (own, stopped) => this.#readWhole(db, own, from, stopped),
    }
    // They read the values themselves.
    if (this.rules !== null) {
      await this.#held.copy(db, keys, from, outcome, whole)
      return outcome
    }
    // One key is asked for its size in any case: it may be here because it is long. The first part of a string comes without its use.
    if (keys.length > 1 && !behindGate && this.#carry === null && isMostlyStrings(this.#lanes.lane(from))) {
      await this.#copyStrings(db, keys, from, outcome, { behindGate, cautious, patience, queues: false })
      return outcome
    }
    const long = await this.#longOf(db, keys, from, outcome)
    if (long === null) return outcome
    if (long.size > 0 && (keys.length > 1 || behindGate)) outcome.long.push(...long)
    const chosen = outcome.long.length === 0 ? keys : keys.filter((key) => !long.has(key))
    const [key] = chosen
    if (key === undefined) return outcome
    if (long.has(key)) await this.#copyLong(db, key, from, outcome, whole)
    else await this.#held.copy(db, chosen, from, outcome, whole)
    return outcome
  }

  /** Which of them are long is found out on the way. */
  async #copyStrings(
    db: number,
    keys: readonly Buffer[],
    from: Side,
    outcome: CopyOutcome,
    manner: Omit<Manner, 'read'>,
  ): Promise<void> {
    const [reading, writing] = [this.#lanes.lane(from), this.#lanes.lane(otherSide(from))]
    let found: ReadonlySet<Buffer> = new Set()
    const read: Manner['read'] = async (own, stopped) => {
      const { payloads, long } = await readStringsFirst(reading, writing, db, own, stopped, this.#core.limits.longValueBytes)
      found = long
      return payloads
    }
    await this.#held.copy(db, keys, from, outcome, { ...manner, read })
    if (found.size === 0) return
    const again = new Set([...outcome.busy, ...outcome.unknown])
    for (const key of found) if (!again.has(key)) outcome.long.push(key)
  }

  /** Null: the reading side cannot be asked. */
  async #longOf(db: number, keys: readonly Buffer[], from: Side, outcome: CopyOutcome): Promise<ReadonlySet<Buffer> | null> {
    try {
      return await longKeys(this.#lanes.lane(from), db, keys, this.#core.limits.longValueBytes)
    } catch (error) {
      outcome.lost = (error as Error).message
      outcome.busy.push(...keys)
      return null
    }
  }

  #readWhole(db: number, keys: readonly Buffer[], from: Side, stopped: () => boolean): Promise<Payload[]> {
    return readValues(this.#lanes.lane(from), this.#lanes.lane(otherSide(from)), db, keys, stopped, undefined, this.#carry)
  }

  async #copyLong(db: number, key: Buffer, from: Side, outcome: CopyOutcome, manner: Manner): Promise<void> {
    if (this.#follows && (from !== this.#core.traffic.authority || manner.patience >= heldFrom)) {
      // Its clients wait until it is over.
      await this.#held.copy(db, [key], from, outcome, this.#inPieces(db, key, from, manner, null))
      return
    }
    const pace = this.#isHealed(db, key) ? null : this.pace
    const windows = pace === null ? null : new Windows(pace)
    pace?.begin()
    if (this.#follows) await this.#inTurn(() => this.#copyMoving(db, key, from, outcome, manner, windows))
    else await this.#held.copy(db, [key], from, outcome, this.#inPieces(db, key, from, manner, windows))
    pace?.end()
    outcome.bytes = Math.max(0, outcome.bytes - (windows?.bytes ?? 0))
  }

  /** It is known to differ, and that was not the scan's doing: a flip may be waiting for it. Beside a copy that nobody follows there is none. */
  #isHealed(db: number, key: Buffer): boolean {
    const { journal } = this.#core
    return this.#follows && journal.truthOf(db, key) !== null && !journal.isOwed(db, key)
  }

  /** Held all the time. */
  #inPieces(db: number, key: Buffer, from: Side, manner: Manner, windows: Windows | null): Manner {
    const [reading, writing] = [this.#lanes.lane(from), this.#lanes.lane(otherSide(from))]
    const { holdWaitMs, longHoldWaitMs } = this.#core.limits
    return {
      ...manner,
      patience: Math.max(manner.patience, longHoldWaitMs / holdWaitMs),
      queues: true,
      read: (_keys, stopped) => readLong(passageBetween(reading, writing, db, stopped, undefined, windows), key, this.#carry),
    }
  }

  /** One after the other: each keeps both servers busy enough, and has some windows in memory. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    const before = this.#longTurn
    const own = Promise.withResolvers<void>()
    this.#longTurn = own.promise
    await before
    try {
      await work()
    } finally {
      own.resolve()
    }
  }

  async #copyMoving(
    db: number,
    key: Buffer,
    from: Side,
    outcome: CopyOutcome,
    manner: Manner,
    windows: Windows | null,
  ): Promise<void> {
    const copy = new LongCopy(this.#core, this.#lanes, db, key, from, windows)
    try {
      const moves = await copy.approach()
      if (!moves) await this.#held.copy(db, [key], from, outcome, this.#inPieces(db, key, from, manner, null))
      else {
        this.#carry?.lostLong()
        const read = async (): Promise<Payload[]> => [await copy.finish()]
        const last: Manner = { ...manner, patience: Math.max(manner.patience, lastPatience), queues: true, read }
        await this.#held.copy(db, [key], from, outcome, last)
      }
    } catch (error) {
      noteFailure(outcome, key, error as Error, from)
    }
    await copy.close()
  }
}
