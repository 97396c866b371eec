/**
 * A write under `two-phase-commit`: with its keys held, their value is read first; if then only one side takes the write, that side
 * gets the value back, before anybody else can see or change it. The client waits for both sides and gets the truth.
 */
import { wireError } from '../errors.ts'
import { ReplyScanner } from '../resp/reply-scanner.ts'
import type { Side } from '../routing/modes.ts'
import type { Client } from './client.ts'
import { type DbKey, framesIn, ownKeys, specOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Frame, Sent } from './frame.ts'
import { exchangeFrame, type Payload, readPayloads, writePayloads } from './key-transfer.ts'
import type { Lanes } from './lanes.ts'
import type { Ticket } from './order-board.ts'
import { ReplySlot } from './reply-queue.ts'

/** One command, or a transaction's block of which the last reply counts. */
export interface OneOrBlock {
  readonly frame: Frame
  readonly replies: number
  /** What the client is told where both sides say this; null: just that. */
  readonly told: ((reply: Buffer) => Buffer) | null
}

/** What one database had before the write. */
interface PreImage {
  readonly db: number
  readonly payloads: readonly Payload[]
}

type Outcome = { readonly side: Side; readonly bytes: Buffer | null }

export function twoPhaseWrite(
  core: Core,
  lanes: Lanes,
  client: Client,
  write: OneOrBlock,
  keys: readonly DbKey[],
  stripes: readonly number[],
): Sent {
  const { board } = core
  const busy = stripes.find((stripe) => board.isBusy(stripe))
  if (busy !== undefined) {
    board.open([busy], () => queueMicrotask(() => client.unpark()))
    return 'parked'
  }
  const slot = new ReplySlot()
  client.replies.push(slot)
  // The write reaches the lanes only when its pre-image is read: what the client sent behind it must not overtake it.
  client.holdBack()
  const ticket = board.hold(stripes)
  void new TwoPhase(core, lanes, client, slot, ticket).run(write, ownKeys(keys))
  return 'sent'
}

class TwoPhase {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #client: Client
  readonly #slot: ReplySlot
  readonly #ticket: Ticket
  readonly #context: number

  constructor(core: Core, lanes: Lanes, client: Client, slot: ReplySlot, ticket: Ticket) {
    this.#core = core
    this.#lanes = lanes
    this.#client = client
    this.#slot = slot
    this.#ticket = ticket
    this.#context = client.context
  }

  async run(write: OneOrBlock, keys: readonly DbKey[]): Promise<void> {
    const outcome = await this.#attempt(write, keys).catch((error: Error) => this.#aborted(error.message))
    const answer = write.told === null ? outcome : write.told(outcome)
    this.#core.board.finish(this.#ticket)
    this.#client.replies.deliver(this.#slot, answer, 0, answer.length, true)
    this.#client.goOn()
  }

  async #attempt(write: OneOrBlock, keys: readonly DbKey[]): Promise<Buffer> {
    const { authority, follower } = this.#core.traffic
    for (const side of [authority, follower]) {
      if (!this.#core.accepts(this.#client.pair.lane(side))) return this.#aborted(`${side} is not reachable, nothing was sent`)
    }
    await Promise.all([this.#quiet(authority), this.#quiet(follower)])
    const before = await this.#read(authority, keys)
    const unread = before.flatMap(({ payloads }) => payloads).find((payload) => payload.error !== null)
    if (unread !== undefined) return this.#aborted(`${authority}: ${unread.error}`)
    this.#note(write, keys)
    const [first, second] = await Promise.all([this.#send(authority, write), this.#send(follower, write)])
    if (first.bytes !== null && second.bytes !== null && isError(first.bytes) === isError(second.bytes)) {
      if (!first.bytes.equals(second.bytes)) this.#doubt(keys)
      return first.bytes
    }
    this.#core.notes.changed(keys, 'a two-phase write was taken back')
    const known = await this.#takeBack([first, second], before)
    const failed = [first, second].find(hasNotSaidYes) as Outcome
    const why = `${failed.side}: ${failed.bytes === null ? 'connection lost' : failed.bytes.toString().slice(1).trim()}`
    return known ? this.#aborted(why) : this.#unknown(why)
  }

  /** Again, now that it is sent: what was noted before its keys were held and read may be forgotten by now. */
  #note({ frame, replies }: OneOrBlock, keys: readonly DbKey[]): void {
    const { notes } = this.#core
    if (!notes.any) return
    if (frame.pieces !== null || replies > 1) notes.changed(keys, 'a two-phase write may have changed any part of it')
    else for (const args of framesIn(frame.buf, frame.start, frame.end)) notes.wrote(specOf(args), args, keys)
  }

  /** By database. */
  #read(side: Side, keys: readonly DbKey[]): Promise<PreImage[]> {
    const dbs = [...new Set(keys.map(({ db }) => db))]
    const read = async (db: number): Promise<PreImage> => {
      const own = keys.filter((key) => key.db === db).map(({ key }) => key)
      return { db, payloads: await readPayloads(this.#lanes.lane(side), db, own) }
    }
    return Promise.all(dbs.map(read))
  }

  #quiet(side: Side): Promise<void> {
    return new Promise((resolve) => this.#lanes.whenAnswered(side, () => resolve()))
  }

  async #send(side: Side, { frame, replies }: OneOrBlock): Promise<Outcome> {
    const lane = this.#client.pair.lane(side)
    const bytes = await exchangeFrame(lane, this.#context, frame, replies).catch(() => null)
    return { side, bytes: bytes === null || replies === 1 ? bytes : lastReply(bytes, replies) }
  }

  /**
   * Puts back what may have changed; false where it cannot be told whether the write stays. A side that cannot be put back is put right by
   * the journal, from the other one; the follower gets the value for that even if it refused the write: it may not have been copied yet.
   */
  async #takeBack([first, second]: readonly [Outcome, Outcome], before: readonly PreImage[]): Promise<boolean> {
    const [authority, follower] = [first.side, second.side]
    const onAuthority = mayHaveRun(first) ? await this.#putBack(authority, before) : none
    const onFollower = mayHaveRun(second) || onAuthority.size > 0 ? await this.#putBack(follower, before) : none
    const { journal } = this.#core
    let known = true
    for (const { db, payloads } of before) {
      for (const payload of payloads) {
        const [error, other] = [onAuthority.get(payload), onFollower.get(payload)]
        if (error === undefined && other === undefined) continue
        const truth = other === undefined ? follower : authority
        journal.mark(db, payload.key, truth, `two-phase write could not be taken back: ${other ?? error}`)
        if (error !== undefined && other !== undefined) known = false
      }
    }
    return known
  }

  /** What could not be, with the reason. */
  async #putBack(side: Side, before: readonly PreImage[]): Promise<ReadonlyMap<Payload, string>> {
    const unrestored = new Map<Payload, string>()
    for (const { db, payloads } of before) {
      const lost = (): string[] => payloads.map(() => 'lost')
      const outcomes = this.#lanes.orphaned(side) ? lost() : await writePayloads(this.#lanes.lane(side), db, payloads).catch(lost)
      outcomes.forEach((error, i) => {
        if (error !== null) unrestored.set(payloads[i] as Payload, error)
      })
    }
    return unrestored
  }

  #doubt(keys: readonly DbKey[]): void {
    const { journal, traffic } = this.#core
    for (const { db, key } of keys) journal.mark(db, key, traffic.authority, 'the two sides answered differently')
  }

  #aborted(why: string): Buffer {
    this.#core.counters.clientError('aborted')
    return wireError('aborted', why)
  }

  #unknown(why: string): Buffer {
    this.#core.counters.clientError('unknown-outcome')
    return wireError('unknown-outcome', `it could not be taken back: ${why}`)
  }
}

const none: ReadonlyMap<Payload, string> = new Map()

const hasNotSaidYes = ({ bytes }: Outcome): boolean => bytes === null || isError(bytes)

const mayHaveRun = ({ bytes }: Outcome): boolean => bytes === null || !isError(bytes)

const isError = (reply: Buffer): boolean => reply[0] === 45 || reply[0] === 33

function lastReply(bytes: Buffer, replies: number): Buffer {
  const scanner = new ReplyScanner()
  let at = 0
  for (let i = 1; i < replies; i++) at = scanner.scan(bytes, at, bytes.length)
  return bytes.subarray(at)
}
