/**
 * Who waits for which key. Ferry's blocked clients wait here and on no server's connection: a key that may have changed has its waiters
 * try again, in the order in which they came, as on a server. Of those that take elements away the first of a line is tried, and the
 * next one only after a success; so one element costs one attempt, however many wait.
 *
 * A waiter stands here before it tries for the first time. Whatever is written after that attempt finds the stripe awaited.
 */
import { stripeOf } from '../routing/stripe.ts'
import type { DbKey } from './command-keys.ts'
import type { OrderBoard } from './order-board.ts'

export interface Awaiting {
  /** Tries once more; true once it has its answer and has left the board. Must not reject. */
  tryAgain(): Promise<boolean>
}

interface Line {
  readonly waiters: Set<Awaiting>
  serving: boolean
  again: boolean
}

interface AwaitedKey {
  readonly db: number
  readonly key: Buffer
  readonly stripe: number
  readonly lines: Map<string, Line>
  /** Waiters that stand in nobody's way. */
  readonly readers: Set<Awaiting>
}

/** What tells of changes that do not pass through Ferry. */
export interface ChangeWatch {
  watch(db: number, key: Buffer): void
}

export class WaitBoard {
  /** A blocked client's own attempt takes away and adds nothing: it wakes nobody. */
  muted = false
  changes: ChangeWatch | null = null
  readonly #board: OrderBoard
  readonly #clientsMax: number
  readonly #keysMax: number
  /** By name, then by database: a server tells of a key without its database. */
  readonly #names = new Map<string, Map<number, AwaitedKey>>()
  /** How many awaited keys lie in a stripe. */
  readonly #stripes = new Map<number, number>()
  readonly #waiters = new Map<Awaiting, { readonly awaited: AwaitedKey; readonly line: string | null }[]>()
  #keyCount = 0

  constructor(board: OrderBoard, clientsMax: number, keysMax: number) {
    this.#board = board
    this.#clientsMax = clientsMax
    this.#keysMax = keysMax
  }

  get clients(): number {
    return this.#waiters.size
  }

  get keyCount(): number {
    return this.#keyCount
  }

  /** Why one more client on so many keys is too much; null where it is not. */
  full(keys: number): string | null {
    if (this.#waiters.size >= this.#clientsMax) return `${this.#clientsMax} clients may be blocked at a time`
    return this.#keyCount + keys > this.#keysMax ? `${this.#keysMax} keys may be waited for at a time` : null
  }

  /** `line`: see BlockingPlan. The keys are kept. */
  join(waiter: Awaiting, db: number, keys: readonly Buffer[], line: string | null): void {
    const places = keys.map((key) => ({ awaited: this.#awaited(db, key), line }))
    for (const { awaited } of places) {
      if (line === null) awaited.readers.add(waiter)
      else {
        const known = awaited.lines.get(line) ?? { waiters: new Set(), serving: false, again: false }
        known.waiters.add(waiter)
        awaited.lines.set(line, known)
      }
    }
    this.#waiters.set(waiter, places)
  }

  leave(waiter: Awaiting): void {
    for (const { awaited, line } of this.#waiters.get(waiter) ?? []) {
      awaited.readers.delete(waiter)
      const known = line === null ? undefined : awaited.lines.get(line)
      known?.waiters.delete(waiter)
      if (known?.waiters.size === 0) awaited.lines.delete(line as string)
      if (awaited.lines.size === 0 && awaited.readers.size === 0) this.#forget(awaited)
    }
    this.#waiters.delete(waiter)
  }

  /** Every key that somebody waits for. */
  *keys(): Generator<DbKey> {
    for (const byDb of this.#names.values()) yield* byDb.values()
  }

  /** The databases in which somebody waits for a key of this name. */
  databasesOf(key: Buffer): number[] {
    return [...(this.#names.get(key.toString('latin1'))?.keys() ?? [])]
  }

  wake(db: number, key: Buffer): void {
    const awaited = this.#names.get(key.toString('latin1'))?.get(db)
    if (awaited !== undefined) this.#wake(awaited)
  }

  /** The key is gone: there is nothing to take, but who reads with a group of it is told that the group is gone, too. */
  wakeGroups(db: number, key: Buffer): void {
    const awaited = this.#names.get(key.toString('latin1'))?.get(db)
    for (const [name, line] of awaited?.lines ?? []) if (name.startsWith('stream ')) void this.#serve(line)
  }

  /** These keys were written to, by a command that has been sent; null: perhaps any key. */
  written(keys: readonly DbKey[] | null): void {
    if (this.muted || this.#keyCount === 0) return
    if (keys === null) this.wakeAll()
    else for (const { db, key } of keys) this.wake(db, key)
  }

  wakeAll(): void {
    for (const { db, key } of [...this.keys()]) this.wake(db, key)
  }

  #wake({ lines, readers }: AwaitedKey): void {
    for (const reader of [...readers]) void reader.tryAgain()
    for (const line of [...lines.values()]) void this.#serve(line)
  }

  async #serve(line: Line): Promise<void> {
    line.again = true
    if (line.serving) return
    line.serving = true
    while (line.again && line.waiters.size > 0) {
      line.again = false
      for (const first of line.waiters) {
        if (!(await first.tryAgain())) break
        // It left; the next one is first now.
        line.again = true
        break
      }
    }
    line.serving = false
  }

  #awaited(db: number, key: Buffer): AwaitedKey {
    const name = key.toString('latin1')
    const byDb = this.#names.get(name) ?? new Map<number, AwaitedKey>()
    this.#names.set(name, byDb)
    const known = byDb.get(db)
    if (known !== undefined) return known
    const stripe = stripeOf(key, 0, key.length, db)
    const awaited: AwaitedKey = { db, key, stripe, lines: new Map(), readers: new Set() }
    byDb.set(db, awaited)
    this.#keyCount++
    const sharers = this.#stripes.get(stripe) ?? 0
    this.#stripes.set(stripe, sharers + 1)
    if (sharers === 0) this.#board.beginWait(stripe)
    return awaited
  }

  #forget(awaited: AwaitedKey): void {
    const name = awaited.key.toString('latin1')
    const byDb = this.#names.get(name)
    if (byDb?.get(awaited.db) !== awaited) return
    byDb.delete(awaited.db)
    if (byDb.size === 0) this.#names.delete(name)
    this.#keyCount--
    const left = (this.#stripes.get(awaited.stripe) as number) - 1
    this.#stripes.set(awaited.stripe, left)
    if (left > 0) return
    this.#stripes.delete(awaited.stripe)
    this.#board.endWait(awaited.stripe)
  }
}
