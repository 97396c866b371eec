/**
 * Copies of long values while they are written to (dispatch/moving). Everything here happens before the copier holds the key for good, which
 * it does for the last and short part; who writes to the key waits for that, and at a list for each window of it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Core } from '../dispatch/core.ts'
import { momentOf, type Payload, relativeOnly } from '../dispatch/key-transfer.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { type Errand, type Moving, Refused, Spoiled, Unread } from '../dispatch/moving/moving.ts'
import { MovingElements, movesByElements } from '../dispatch/moving/moving-elements.ts'
import { MovingList } from '../dispatch/moving/moving-list.ts'
import { MovingStream } from '../dispatch/moving/moving-stream.ts'
import { MovingString } from '../dispatch/moving/moving-string.ts'
import type { KeyNotes } from '../dispatch/moving/write-notes.ts'
import { ask, type Passage, stepFor } from '../dispatch/typed/passage.ts'
import { StreamedString } from '../dispatch/typed/streamed-string.ts'
import { discardStaged } from '../dispatch/typed/typed-write.ts'
import type { Windows } from '../dispatch/typed/windows.ts'
import { passageBetween } from '../dispatch/value-transfer.ts'
import { otherSide, type Side, sides } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'

/** A key that somebody else holds, or a closed gate, is waited for so long. */
const freeMs = 5_000
const freePollMs = 2
/** Longer than two clocks may differ by after all. */
const soonMs = 1_000
/** Lists are read in larger pieces: each has to be found from an end of the list, and costs a hold. */
const listWindows = 4
const countVerbs: Readonly<Record<string, string>> = {
  hash: 'HLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  list: 'LLEN',
  string: 'STRLEN',
  stream: 'XLEN',
}

/** One copy that is under way. `close` is due, however it ends. */
export class LongCopy {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #from: Side
  readonly #db: number
  readonly #key: Buffer
  readonly #notes: KeyNotes
  readonly #passage: Passage
  readonly #flips: number
  readonly #connections: ReadonlyMap<Lane, number>
  readonly #lost: number
  #moving: Moving | null = null
  #isPlaced = false
  /** Of a string or a stream, when it was begun; 0 = it did not end. */
  #endsAtMs = 0

  /** `windows` null: nothing is waited for between them. */
  constructor(core: Core, lanes: Lanes, db: number, key: Buffer, from: Side, windows: Windows | null) {
    this.#core = core
    this.#lanes = lanes
    this.#from = from
    this.#db = db
    this.#key = key
    this.#notes = core.notes.open(db, key)
    const isSpoiled = (): boolean => this.#notes.spoiled !== null
    this.#passage = passageBetween(lanes.lane(from), lanes.lane(otherSide(from)), db, isSpoiled, undefined, windows)
    this.#flips = core.traffic.flips
    this.#connections = new Map([...lanes.all()].map((lane) => [lane, lane.connections]))
    this.#lost = lostOn(core)
  }

  /** False: a value of its type has to be held all the time. Throws Spoiled, Refused, Unread or TransferLost. */
  async approach(): Promise<boolean> {
    // What was noted before this began, and is sent later, holds the key; so does EXEC on a connection of its own, which nobody drains.
    await new Promise<void>((resolve) => this.#core.board.open([this.#notes.stripe], resolve))
    this.#moving = await this.#begin()
    await this.#sound(async () => this.#moving?.approach())
    return this.#moving !== null
  }

  /** The last part: under the hold, with everything sent before answered. Throws like `approach`. */
  async finish(): Promise<Payload> {
    const { windows } = this.#passage
    windows?.hurry()
    this.#mustHaveLasted()
    const typed = (await this.#sound(async () => this.#moving?.finish())) ?? null
    const expiresAtMs = typed === null ? 0 : await this.#expiry()
    this.#mustBeTheSame()
    this.#isPlaced = typed !== null && expiresAtMs !== null
    if (typed !== null) windows?.end(typed.sizeBytes)
    return {
      key: this.#key,
      bytes: null,
      typed: expiresAtMs === null ? null : typed,
      expiresAtMs: expiresAtMs ?? 0,
      error: null,
    }
  }

  async close(): Promise<void> {
    this.#core.notes.close(this.#notes)
    const staged = this.#moving?.staged
    if (staged === undefined || this.#isPlaced) return
    if (staged instanceof StreamedString) staged.cut('it was given up')
    const { to, db } = this.#passage
    await discardStaged(to, db, [{ kind: 'staged', sizeBytes: 0, staged }])
  }

  /** What a server refuses may be due to what has spoilt the copy. */
  async #sound<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const { spoiled } = this.#notes
      if (spoiled !== null && (error instanceof Unread || error instanceof Refused)) throw new Spoiled(spoiled)
      throw error
    }
  }

  async #begin(): Promise<Moving | null> {
    const passage = this.#passage
    const [db, key] = [this.#db, this.#key]
    const types = await ask(passage, (out) => out.command('TYPE', key))
    const type = types.error() === null ? types.line() : 'none'
    const verb = countVerbs[type]
    if (verb === undefined) return null
    const replies = await ask(passage, (out) => out.command(verb, key).command('MEMORY', 'USAGE', key))
    const count = replies.error() === null ? replies.integer() : 0
    const size = replies.error() === null && replies.isInteger ? replies.integer() : 0
    const step = stepFor(size, count)
    const errand: Errand = {
      passage,
      key,
      notes: this.#notes,
      drained: () => this.#drained(),
      briefly: (work) => this.#briefly(work),
    }
    if (movesByElements(type)) return new MovingElements(errand, type, step)
    if (type === 'list') return new MovingList(errand, step * listWindows)
    await this.#drained()
    this.#endsAtMs = (await this.#expiry()) ?? 0
    if (type === 'stream') return new MovingStream(errand, step)
    const staged = await StreamedString.open(passage.to, db, key, count)
    if (typeof staged === 'string') throw new Refused(staged)
    return new MovingString(errand, staged)
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#lanes.whenAnswered(this.#from, (answered) =>
        answered ? resolve() : reject(new Spoiled(`${this.#from} was lost with writes under way`)),
      ),
    )
  }

  async #briefly<T>(work: () => Promise<T>): Promise<T> {
    const { board } = this.#core
    // Somebody may be quicker to take it than this is to go on.
    do await untilFree(this.#core, this.#notes.stripe)
    while (board.gates > 0 || board.isBusy(this.#notes.stripe))
    const ticket = board.hold([this.#notes.stripe])
    try {
      await this.#drained()
      return await work()
    } finally {
      board.finish(ticket)
    }
  }

  /** A string that ended, and was made anew by SETRANGE, cannot be told from one that did not, nor can a stream; elements are told by number. */
  #mustHaveLasted(): void {
    if (!(this.#moving instanceof MovingString || this.#moving instanceof MovingStream)) return
    const nowMs = Date.now() + this.#passage.from.clockOffsetMs
    if (this.#notes.endMoved || (this.#endsAtMs !== 0 && this.#endsAtMs < nowMs + soonMs))
      throw new Spoiled('it may have expired meanwhile')
  }

  /** When it ends; null: it is not there any more. */
  async #expiry(): Promise<number | null> {
    const { from } = this.#passage
    const verb = relativeOnly.has(from) ? 'PTTL' : 'PEXPIRETIME'
    const replies = await ask(this.#passage, (out) => out.command(verb, this.#key))
    const error = replies.error()
    if (error !== null && verb === 'PEXPIRETIME' && /unknown command/i.test(error)) {
      relativeOnly.add(from)
      return this.#expiry()
    }
    if (error !== null) throw new Unread(error)
    const saidMs = replies.integer()
    if (saidMs === -2) return null
    return momentOf(saidMs, verb === 'PTTL' ? Date.now() + from.clockOffsetMs : 0)
  }

  /** What was noted is all that was written only if nothing was lost, and nobody changed places, since it was begun. */
  #mustBeTheSame(): void {
    if (this.#notes.spoiled !== null) throw new Spoiled(this.#notes.spoiled)
    if (this.#core.traffic.flips !== this.#flips) throw new Spoiled('the authority has changed')
    // A connection inside a cluster may go without its lane.
    if (lostOn(this.#core) !== this.#lost) throw new Spoiled('the answers to some commands were lost')
    for (const lane of this.#lanes.all()) {
      const before = this.#connections.get(lane)
      if (before === undefined ? lane.connections > 1 : lane.connections !== before || !lane.up)
        throw new Spoiled(`a connection to the ${lane.side} was lost`)
    }
  }
}

const lostOn = ({ counters }: Core): number => sides.reduce((sum, side) => sum + counters.sides[side].lost, 0)

/** Throws Spoiled where it takes too long. */
async function untilFree({ board }: Core, stripe: number): Promise<void> {
  const deadlineMs = performance.now() + freeMs
  while (board.gates > 0 || board.isBusy(stripe)) {
    if (performance.now() > deadlineMs) throw new Spoiled('it was in use for too long')
    await delay(freePollMs)
  }
}
