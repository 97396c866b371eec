/**
 * Copies keys that live traffic may be writing to. The order of the steps is the safety:
 *
 *   hold the keys            no write to them starts anywhere
 *   drain the reading side   every write sent before is in the value
 *   the values, answered     from here on writes go to the authority, their follower halves queue behind this copy
 *   drain the writing side   nothing sent before can land on top of the copy
 *   written, answered        the queued halves go out, in order
 *
 * Where the copy goes to the authority itself (healing a key whose truth is on the follower), the keys stay closed to the end.
 */
import type { AccessCarry } from '../dispatch/access-carry.ts'
import type { Core } from '../dispatch/core.ts'
import { isAbsent, type Payload, readPayloads, TransferLost } from '../dispatch/key-transfer.ts'
import { databaseRefusal } from '../dispatch/known-databases.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { longKeys } from '../dispatch/long-keys.ts'
import { Refused, Spoiled, Unread } from '../dispatch/moving/moving.ts'
import { Stripe } from '../dispatch/order-board.ts'
import { isMostlyStrings } from '../dispatch/strings-first.ts'
import { discardValues, goesByType, readLong, readStringsFirst, readValues, writeValues } from '../dispatch/value-transfer.ts'
import { otherSide, type Side, sides } from '../routing/modes.ts'
import { stripeOf } from '../routing/stripe.ts'
import { CopyHold } from './copy-hold.ts'
import { type CopyOutcome, nothingDone } from './copy-outcome.ts'
import type { KeyEnds } from './key-end.ts'
import { LongCopy } from './long-copy.ts'
import type { RuledCopy } from './ruled-copy.ts'

/** How a batch is copied; see `copy`. */
interface Manner {
  readonly behindGate: boolean
  readonly cautious: boolean
  readonly patience: number
  /** Busy keys are not left out: they are held as soon as nothing is under way on them, and nothing new starts meanwhile. */
  readonly queues: boolean
  /** Under the hold; `stopped` is true once nobody wants the values any more. */
  readonly read: (keys: readonly Buffer[], stopped: () => boolean) => Promise<Payload[]>
}

/** From this patience on a long value is held all the time: it was tried often enough to copy it while it is written to. */
const heldFrom = 8
/** For the last part of such a copy, which is short. */
const lastPatience = 20

interface Lacking {
  readonly side: Side
  readonly why: string
}

export class Copier {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #holds: boolean
  readonly #seesWrites: boolean
  /** Null: everything is copied as it is. Others are for a copy beside which no client writes. */
  readonly rules: RuledCopy | null
  readonly #carry: AccessCarry | null
  /** Resolves when the long value that was begun last is through. */
  #longTurn: Promise<void> = Promise.resolve()

  /**
   * `holds` false leaves out what makes a copy safe: only to show that the check which must notice does. `seesWrites` false: who writes does
   * so past Ferry, so nothing is noted of it, and no later mark of the journal is covered by a copy that was under way. `carry` null: how keys
   * were used is not asked for.
   */
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
    this.#holds = holds
    this.rules = rules
    this.#seesWrites = seesWrites
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
      await this.#copyHeld(db, keys, from, outcome, whole)
      return outcome
    }
    // One key is asked for its size in any case: it may be here because it is long.
    if (keys.length > 1 && !behindGate && isMostlyStrings(this.#lanes.lane(from)) && !this.#mustDump(from)) {
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
    else await this.#copyHeld(db, chosen, from, outcome, whole)
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
    await this.#copyHeld(db, keys, from, outcome, { ...manner, read })
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

  async #copyHeld(db: number, keys: readonly Buffer[], from: Side, outcome: CopyOutcome, manner: Manner): Promise<void> {
    if (!this.#holds) {
      await this.#transfer(db, keys, from, outcome, null, manner)
      return
    }
    while (!manner.behindGate && this.#core.board.gates > 0) await this.#gate()
    const { free, stripes } = this.#choose(db, keys, from, outcome, manner.queues)
    if (free.length === 0) return
    const { board, limits } = this.#core
    const turn = Promise.withResolvers<void>()
    const ticket = manner.queues ? board.holdBehind(stripes, turn.resolve) : board.hold(stripes)
    const hold = new CopyHold(this.#core, ticket, manner.patience * limits.holdWaitMs)
    if (manner.queues) await turn.promise
    if (hold.givenUp) outcome.busy.push(...free)
    else await this.#transfer(db, free, from, outcome, hold, manner)
    hold.end()
  }

  #readWhole(db: number, keys: readonly Buffer[], from: Side, stopped: () => boolean): Promise<Payload[]> {
    return readValues(this.#lanes.lane(from), this.#lanes.lane(otherSide(from)), db, keys, stopped, undefined, this.#carry)
  }

  /** How a key was used goes with a payload, or not at all. */
  #mustDump(from: Side): boolean {
    return this.#carry !== null && !goesByType(this.#lanes.lane(from), this.#lanes.lane(otherSide(from)))
  }

  /** One after the other: each keeps both servers busy enough, and has some windows in memory. */
  async #copyLong(db: number, key: Buffer, from: Side, outcome: CopyOutcome, manner: Manner): Promise<void> {
    const [reading, writing] = [this.#lanes.lane(from), this.#lanes.lane(otherSide(from))]
    const { holdWaitMs, longHoldWaitMs } = this.#core.limits
    const patience = Math.max(manner.patience, longHoldWaitMs / holdWaitMs)
    const held: Manner = {
      ...manner,
      patience,
      queues: true,
      read: (_keys, stopped) => readLong(reading, writing, db, key, stopped, this.#carry),
    }
    if (!this.#holds || !this.#seesWrites || from !== this.#core.traffic.authority || manner.patience >= heldFrom) {
      await this.#copyHeld(db, [key], from, outcome, held)
      return
    }
    const before = this.#longTurn
    let done = (): void => undefined
    this.#longTurn = new Promise((resolve) => {
      done = resolve
    })
    await before
    const copy = new LongCopy(this.#core, this.#lanes, db, key, from)
    try {
      const moves = await copy.approach()
      if (!moves) await this.#copyHeld(db, [key], from, outcome, held)
      else {
        const read = async (): Promise<Payload[]> => [await copy.finish()]
        const last: Manner = { ...manner, patience: Math.max(manner.patience, lastPatience), queues: true, read }
        await this.#copyHeld(db, [key], from, outcome, last)
      }
    } catch (error) {
      this.#notCopied(key, from, error as Error, outcome)
    }
    await copy.close()
    done()
  }

  #notCopied(key: Buffer, from: Side, error: Error, outcome: CopyOutcome): void {
    if (error instanceof Unread) outcome.failed.push({ key, error: error.message, side: from })
    else if (error instanceof Refused) outcome.failed.push({ key, error: error.message, side: otherSide(from) })
    else {
      outcome.busy.push(key)
      if (!(error instanceof Spoiled)) outcome.lost = error.message
    }
  }

  #gate(): Promise<void> {
    return new Promise((resolve) => this.#core.board.parkAtGate({ unpark: resolve }))
  }

  #choose(
    db: number,
    keys: readonly Buffer[],
    from: Side,
    outcome: CopyOutcome,
    queues: boolean,
  ): { free: Buffer[]; stripes: number[] } {
    const { board, journal } = this.#core
    const free: Buffer[] = []
    const stripes = new Set<number>()
    for (const key of keys) {
      const stripe = stripeOf(key, 0, key.length, db)
      // Its truth is where this copy would write: whoever heals the journal copies it the other way.
      if (((board.flags[stripe] as number) & Stripe.dirty) !== 0 && journal.truthOf(db, key) === otherSide(from)) {
        outcome.passedOver++
      } else if (!queues && board.isBusy(stripe)) outcome.busy.push(key)
      else {
        free.push(key)
        stripes.add(stripe)
      }
    }
    return { free, stripes: [...stripes] }
  }

  async #transfer(
    db: number,
    keys: readonly Buffer[],
    from: Side,
    outcome: CopyOutcome,
    hold: CopyHold | null,
    { cautious, read }: Manner,
  ): Promise<void> {
    const to = otherSide(from)
    let payloads: Payload[]
    const writingQuiet = hold === null ? null : this.#quiet(to)
    try {
      if (hold !== null) await this.#quiet(from)
      this.#mustBeFenced()
      const lacking = await this.#lacking(db, from)
      if (lacking !== null) {
        await this.#withoutDatabase(db, keys, from, lacking, outcome)
        return
      }
      if (this.rules !== null) {
        await this.#byRules(this.rules, db, keys, from, outcome)
        return
      }
      if (hold !== null && this.#seesWrites) this.#noteGenerations(db, keys, from, outcome)
      payloads = await read(keys, () => hold?.givenUp ?? false)
    } catch (error) {
      if (error instanceof Spoiled || error instanceof Refused || error instanceof Unread) {
        this.#notCopied(keys[0] as Buffer, from, error, outcome)
        return
      }
      outcome.lost = (error as Error).message
      for (const key of keys) outcome.busy.push(key)
      return
    }
    if (hold?.givenUp) {
      for (const key of keys) outcome.busy.push(key)
      await discardValues(this.#lanes.lane(to), db, payloads)
      return
    }
    if (cautious) payloads = this.#present(db, payloads, from, outcome)
    if (to === this.#core.traffic.follower && hold !== null) {
      for (const { key } of payloads) this.#core.journal.beginSettling(db, key, from)
      hold.defer()
    }
    if (writingQuiet !== null) await writingQuiet
    try {
      this.#count(payloads, await writeValues(this.#lanes.lane(from), this.#lanes.lane(to), db, payloads), outcome, from)
    } catch (error) {
      outcome.lost = (error as Error).message
      for (const key of keys) {
        outcome.unknown.push(key)
        this.#core.journal.mark(db, key, from, `the copy was cut off: ${outcome.lost}`)
      }
    }
    this.#endSettling(db, payloads, outcome)
  }

  /** What was marked until now stands for writes that are answered, and so are in the values that will be read. */
  #noteGenerations(db: number, keys: readonly Buffer[], from: Side, { generations }: CopyOutcome): void {
    const { journal } = this.#core
    for (const key of keys) {
      const generation = journal.truthOf(db, key) === from ? journal.generationOf(db, key) : null
      if (generation !== null) generations.set(key, generation)
    }
  }

  /** Before the writes that queue behind the copy go out: where it failed, what they compute from these keys is in doubt like them. */
  #endSettling(db: number, payloads: readonly Payload[], { failed, unknown }: CopyOutcome): void {
    const ill = new Set([...unknown, ...failed.map(({ key }) => key)])
    for (const { key } of payloads) {
      const joined = this.#core.journal.endSettling(db, key)
      if (joined.length > 0 && ill.has(key)) this.#core.doubt(joined, 'computed from a key whose copy failed')
    }
  }

  /** Never rejects. Of what was cut off nothing is known. */
  async #byRules(rules: RuledCopy, db: number, keys: readonly Buffer[], from: Side, outcome: CopyOutcome): Promise<void> {
    const ends: KeyEnds = new Map()
    try {
      await rules.carry(this.#lanes.lane(from), this.#lanes.lane(otherSide(from)), db, keys, ends)
    } catch (error) {
      outcome.lost = (error as Error).message
    }
    for (const key of keys) {
      const end = ends.get(key)
      if (end === undefined) {
        outcome.unknown.push(key)
        this.#core.journal.mark(db, key, from, `the copy was cut off: ${outcome.lost}`)
      } else if (end.kind === 'failed') outcome.failed.push({ key, error: end.error, side: end.side })
      else if (end.kind === 'absent') outcome.absent.push(key)
      else if (end.kind === 'skipped') {
        rules.skipped[end.reason]++
        outcome.skipped.push(key)
      } else {
        outcome.copied++
        outcome.bytes += end.bytes
      }
    }
  }

  /** Of a side that came back with less than it had: a key that it lacks is not a key that was deleted. The other side's is kept, and copied. */
  #present(db: number, payloads: readonly Payload[], from: Side, outcome: CopyOutcome): Payload[] {
    return payloads.filter((payload) => {
      if (!isAbsent(payload)) return true
      const { key } = payload
      this.#core.journal.mark(db, key, otherSide(from), `${from} was restarted and does not have it`)
      outcome.busy.push(key)
      return false
    })
  }

  /** Which side does not have this database, and in what words. */
  async #lacking(db: number, from: Side): Promise<Lacking | null> {
    for (const side of [from, otherSide(from)]) {
      const why = await databaseRefusal(this.#lanes.lane(side), db)
      if (why !== null) return { side, why }
    }
    return null
  }

  /** What is not there is on the other side neither. */
  async #withoutDatabase(db: number, keys: readonly Buffer[], from: Side, lacking: Lacking, outcome: CopyOutcome): Promise<void> {
    const payloads = lacking.side === from ? null : await readPayloads(this.#lanes.lane(from), db, keys)
    keys.forEach((key, i) => {
      if (payloads === null || !isAbsent(payloads[i] as Payload))
        outcome.failed.push({ key, error: lacking.why, side: lacking.side })
      else {
        outcome.deleted++
        outcome.absent.push(key)
      }
    })
  }

  /** What a lost connection may still bring to a server would land behind the copy. One lost later puts its own keys into the journal. */
  #mustBeFenced(): void {
    for (const side of sides) {
      if (this.#lanes.orphaned(side)) throw new TransferLost(`${side} may still run commands of a connection that was lost`)
    }
  }

  /** A connection that was lost meanwhile leaves nothing in flight either: its keys are in the journal by now. */
  #quiet(side: Side): Promise<void> {
    return new Promise((resolve) => this.#lanes.whenAnswered(side, () => resolve()))
  }

  #count(payloads: readonly Payload[], errors: readonly (string | null)[], outcome: CopyOutcome, from: Side): void {
    for (let i = 0; i < payloads.length; i++) {
      const { key, bytes, typed, error: unread } = payloads[i] as Payload
      const error = errors[i] as string | null
      if (error !== null) outcome.failed.push({ key, error, side: unread === null ? otherSide(from) : from })
      else if (bytes === null && typed === null) {
        outcome.deleted++
        outcome.absent.push(key)
      } else {
        outcome.copied++
        outcome.bytes += bytes?.length ?? typed?.sizeBytes ?? 0
      }
    }
  }
}
