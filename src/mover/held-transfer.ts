/**
 * Values from side to side while live traffic may be writing to their keys. The order of the steps is the safety:
 *
 *   hold the keys            no write to them starts anywhere
 *   drain the reading side   every write sent before is in the value
 *   the values, answered     from here on writes go to the authority, their follower halves queue behind this copy
 *   drain the writing side   nothing sent before can land on top of the copy
 *   written, answered        the queued halves go out, in order
 *
 * Where the copy goes to the authority itself (healing a key whose truth is on the follower), the keys stay closed to the end.
 */
import type { Core } from '../dispatch/core.ts'
import { isAbsent, type Payload, readPayloads, TransferLost } from '../dispatch/key-transfer.ts'
import { databaseRefusal } from '../dispatch/known-databases.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { Refused, Spoiled, Unread } from '../dispatch/moving/moving.ts'
import { Stripe } from '../dispatch/order-board.ts'
import { discardValues, writeValues } from '../dispatch/value-transfer.ts'
import { otherSide, type Side, sides } from '../routing/modes.ts'
import { stripeOf } from '../routing/stripe.ts'
import { CopyHold } from './copy-hold.ts'
import { type CopyOutcome, countWritten, noteFailure } from './copy-outcome.ts'
import type { KeyEnds } from './key-end.ts'
import type { RuledCopy } from './ruled-copy.ts'

/** How the keys of one transfer are held and read; see `Copier.copy`. */
export interface Manner {
  readonly behindGate: boolean
  readonly cautious: boolean
  readonly patience: number
  /** Busy keys are not left out: they are held as soon as nothing is under way on them, and nothing new starts meanwhile. */
  readonly queues: boolean
  /** Under the hold; `stopped` is true once nobody wants the values any more. */
  readonly read: (keys: readonly Buffer[], stopped: () => boolean) => Promise<Payload[]>
}

interface Lacking {
  readonly side: Side
  readonly why: string
}

export class HeldTransfer {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #holds: boolean
  readonly #rules: RuledCopy | null
  readonly #seesWrites: boolean

  /**
   * `holds` false leaves out what makes a copy safe: only to show that the check which must notice does. `seesWrites` false: who writes does
   * so past Ferry, so nothing is noted of it, and no later mark of the journal is covered by a copy that was under way. Where there are `rules`,
   * these read and write the values.
   */
  constructor(core: Core, lanes: Lanes, holds: boolean, rules: RuledCopy | null, seesWrites: boolean) {
    this.#core = core
    this.#lanes = lanes
    this.#holds = holds
    this.#rules = rules
    this.#seesWrites = seesWrites
  }

  /** Never rejects. What becomes of the keys is put into `outcome`. */
  async copy(db: number, keys: readonly Buffer[], from: Side, outcome: CopyOutcome, manner: Manner): Promise<void> {
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
      if (this.#rules !== null) {
        await this.#byRules(this.#rules, db, keys, from, outcome)
        return
      }
      if (hold !== null && this.#seesWrites) this.#noteGenerations(db, keys, from, outcome)
      payloads = await read(keys, () => hold?.givenUp ?? false)
    } catch (error) {
      if (error instanceof Spoiled || error instanceof Refused || error instanceof Unread) {
        noteFailure(outcome, keys[0] as Buffer, error, from)
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
      countWritten(outcome, payloads, await writeValues(this.#lanes.lane(from), this.#lanes.lane(to), db, payloads), from)
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
}
