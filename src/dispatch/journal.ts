/**
 * The keys whose two sides may differ, each with the side that has the truth. Kept in memory for the data path and saved to the state
 * file in batches by `save`; what was marked and not yet saved when the process dies is found in the intent log (`noted`).
 */
import type { Side } from '../routing/modes.ts'
import { stripeOf } from '../routing/stripe.ts'
import type { Store } from '../state/store.ts'
import { type DbKey, ownKeys } from './command-keys.ts'
import type { OrderBoard } from './order-board.ts'
import { type ScanEnd, ScanLedger } from './scan-ledger.ts'

export interface DirtyEntry {
  readonly db: number
  readonly key: Buffer
  readonly stripe: number
  from: Side
  reason: string
  /** Raised by every mark: a heal that began before the last mark does not count. */
  generation: number
  attempts: number
  /** How often a server refused the copy; being in use or out of reach does not count. */
  refusals: number
  /** How often the connection went while it was copied. */
  losses: number
  /** When it was refused or lost first, milliseconds since 1970; 0 = not yet. */
  troubledAt: number
  /** How often the mover came by it and left it to the healing: what becomes of it then is counted in the ledger. */
  scans: number
  /** Not to be tried before this moment of the monotonic clock. */
  notBeforeMs: number
  healing: boolean
  /** Its value was found to be long: it is copied by itself. */
  long: boolean
  /**
   * A copy of it is past its read: what was written since, on the authority, is computed from what the follower is about to have, and reaches
   * the follower behind the copy. The keys of those writes; null = there is no such copy.
   */
  settling: DbKey[] | null
  /** Its side was restarted since: that the key is not there any more says nothing. */
  distrusted: boolean
}

/** How long to wait after a failure: twice as long each time, up to the most. */
interface Backoff {
  readonly firstWaitMs: number
  readonly mostWaitMs: number
}

const usualBackoff: Backoff = { firstWaitMs: 20, mostWaitMs: 5_000 }
/** Keys of writes behind one copy; beyond that they are marked. */
export const settlingKeysMax = 10_000
/** How far `take` looks past entries that wait for their time. */
const lookMax = 20_000

export class Journal {
  /** Why the whole data set has to be copied again, or null. */
  resyncReason: string | null = null
  /** Told when a key could not be taken in any more: then nothing is known of any key. */
  overflowed: (reason: string) => void = (reason) => this.resync(reason)
  /** Told of every mark that `save` will have to save. */
  noted: (db: number, key: Buffer, from: Side) => void = () => undefined
  marks = 0
  /** False only in a test that has to notice it. */
  remembers = true
  /** How many entries have their truth on each side. */
  readonly from: Record<Side, number> = { source: 0, target: 0 }
  readonly ledger = new ScanLedger()
  #entries = new Map<string, DirtyEntry>()
  #unsaved = new Map<string, DirtyEntry | { db: number; key: Buffer; gone: true }>()
  #board: OrderBoard
  #store: Store
  #keysMax: number

  constructor(board: OrderBoard, store: Store, keysMax: number) {
    this.#board = board
    this.#store = store
    this.#keysMax = keysMax
    for (const dirty of store.loadDirty()) this.mark(dirty.db, dirty.key, dirty.from, dirty.reason)
    this.#unsaved.clear()
  }

  get size(): number {
    return this.#entries.size
  }

  /** `key` is copied. */
  mark(db: number, key: Buffer, from: Side, reason: string): void {
    this.marks++
    if (!this.remembers) return
    const name = nameOf(db, key)
    const known = this.#entries.get(name)
    if (known !== undefined) {
      this.from[known.from]--
      this.from[from]++
      if (known.from !== from) {
        this.#unsaved.set(name, known)
        this.noted(db, known.key, from)
      }
      known.from = from
      known.reason = reason
      known.distrusted = false
      known.generation++
      return
    }
    if (this.#entries.size >= this.#keysMax) {
      this.overflowed(`the journal holds its limit of ${this.#keysMax} keys`)
      return
    }
    const stripe = stripeOf(key, 0, key.length, db)
    const entry: DirtyEntry = {
      db,
      key: Buffer.from(key),
      stripe,
      from,
      reason,
      generation: 0,
      attempts: 0,
      refusals: 0,
      losses: 0,
      troubledAt: 0,
      scans: 0,
      notBeforeMs: 0,
      healing: false,
      long: false,
      settling: null,
      distrusted: false,
    }
    this.#entries.set(name, entry)
    this.#unsaved.set(name, entry)
    this.noted(db, key, from)
    this.from[from]++
    this.#board.markDirty(stripe)
  }

  /** The side that has the truth for this key, or null where both have it. */
  truthOf(db: number, key: Buffer): Side | null {
    return this.#entries.get(nameOf(db, key))?.from ?? null
  }

  /** A copy from this side is past its read, and the keys of what is written from now on may join it. */
  beginSettling(db: number, key: Buffer, from: Side): void {
    const entry = this.#entries.get(nameOf(db, key))
    if (entry?.from === from) entry.settling = []
  }

  /** The copy is through: what joined it. */
  endSettling(db: number, key: Buffer): readonly DbKey[] {
    const entry = this.#entries.get(nameOf(db, key))
    const joined = entry?.settling ?? []
    if (entry !== undefined) entry.settling = null
    return joined
  }

  /**
   * Of a write whose keys may have to do with each other: true where each of them that is dirty is just being copied from this side, so that
   * nothing comes into doubt by it unless that copy fails.
   */
  joinsSettling(keys: readonly DbKey[], from: Side): boolean {
    const dirty = new Set<DirtyEntry>()
    for (const { db, key } of keys) {
      const entry = this.#entries.get(nameOf(db, key))
      if (entry === undefined) continue
      if (entry.settling === null || entry.from !== from || entry.settling.length + keys.length > settlingKeysMax) return false
      dirty.add(entry)
    }
    if (dirty.size === 0) return false
    const own = ownKeys(keys)
    for (const entry of dirty) entry.settling?.push(...own)
    return true
  }

  /** Null where it is not dirty. */
  generationOf(db: number, key: Buffer): number | null {
    return this.#entries.get(nameOf(db, key))?.generation ?? null
  }

  /** Whether a scan waits for its end; false also where it is not dirty. */
  isOwed(db: number, key: Buffer): boolean {
    return (this.#entries.get(nameOf(db, key))?.scans ?? 0) > 0
  }

  /** Two databases change places: whatever is dirty in one may be so in the other. What lies in neither is left as it is. */
  swapped(first: number, second: number): void {
    for (const { db, key, from } of [...this.#entries.values()].map((entry) => ({ ...entry }))) {
      if (db === first) this.mark(second, key, from, 'databases were swapped')
      else if (db === second) this.mark(first, key, from, 'databases were swapped')
    }
  }

  /** Both sides were equal when the authority became this side's: what may differ since is its to decide. */
  decidedBy(side: Side): void {
    for (const { db, key, reason } of [...this.#entries.values()]) this.mark(db, key, side, reason)
  }

  /** This side was restarted, perhaps with less than it had: what is not there any more was not deleted by anybody. */
  distrust(side: Side): void {
    for (const entry of this.#entries.values()) if (entry.from === side) entry.distrusted = true
  }

  /** Something was changed that cannot be told key by key. Stays until a whole copy is done. */
  resync(reason: string): void {
    this.resyncReason ??= reason
  }

  /** Up to `most` keys of one database and direction, marked as being healed. */
  take(most: number, nowMs: number): DirtyEntry[] {
    const taken: DirtyEntry[] = []
    let looked = 0
    for (const entry of this.#entries.values()) {
      if (taken.length >= most || ++looked > lookMax) break
      if (entry.healing || entry.notBeforeMs > nowMs) continue
      const first = taken[0]
      if (first !== undefined && (first.db !== entry.db || first.from !== entry.from)) continue
      entry.healing = true
      taken.push(entry)
    }
    return taken
  }

  /** This one key, marked as being healed; null where it is not there, or under way already. */
  takeKey(db: number, key: Buffer): DirtyEntry | null {
    const entry = this.#entries.get(nameOf(db, key))
    if (entry === undefined || entry.healing) return null
    entry.healing = true
    return entry
  }

  /** A scan begins to count: with nothing, or, where it goes on with an earlier one, with what that one left here and in the error queue. */
  countFrom(earlier: Readonly<Record<ScanEnd, number>> | null): void {
    for (const entry of this.#entries.values()) entry.scans = earlier === null ? 0 : 1
    if (earlier === null) {
      this.#store.discountFailed()
      this.ledger.begin(null)
      return
    }
    let exported = 0
    let triedAgain = 0
    // The queue itself, which may know more than the checkpoint. What is tried again from there counts there until it has left it.
    for (const { db, key, scans } of this.#store.countedFailed()) {
      exported += scans
      const entry = this.#entries.get(nameOf(db, key))
      if (entry === undefined) continue
      entry.scans = 0
      triedAgain++
    }
    this.ledger.begin({ ...earlier, exported })
    this.ledger.found(this.#entries.size - triedAgain)
  }

  /** The mover came by this key, which was marked, and leaves it to the healing. */
  owe(db: number, key: Buffer): void {
    const entry = this.#entries.get(nameOf(db, key))
    if (entry !== undefined) entry.scans++
  }

  /** The key was copied as it was at `generation`, or was not there any more; true where that settles it. */
  healed(entry: DirtyEntry, generation: number, end: ScanEnd = 'copied'): boolean {
    entry.healing = false
    entry.attempts = 0
    entry.refusals = 0
    entry.losses = 0
    entry.troubledAt = 0
    if (entry.generation !== generation || !this.#holds(entry)) return false
    this.drop(entry, end)
    return true
  }

  /** Not healed, and no reason to wait longer before the next try: a flip tries a hundred times within a moment. */
  giveBack(entry: DirtyEntry): void {
    entry.healing = false
  }

  postpone(entry: DirtyEntry, nowMs: number, { firstWaitMs, mostWaitMs }: Backoff = usualBackoff): void {
    entry.healing = false
    entry.notBeforeMs = nowMs + Math.min(mostWaitMs, firstWaitMs * 2 ** Math.min(entry.attempts++, 10))
    const name = nameOf(entry.db, entry.key)
    // Another one of this name may stand there by now: the journal was cleared and filled again while this one was being healed.
    if (this.#entries.get(name) !== entry) return
    this.#entries.delete(name)
    this.#entries.set(name, entry)
  }

  /** Whether this is still the entry of its key: the journal may have been cleared, and the key marked anew. */
  #holds(entry: DirtyEntry): boolean {
    return this.#entries.get(nameOf(entry.db, entry.key)) === entry
  }

  /** Takes the key out: healed, handed to the error queue, or, without an end, forgotten. The answer is how many scans that ended for. */
  drop(entry: DirtyEntry, end: ScanEnd | null = null): number {
    const name = nameOf(entry.db, entry.key)
    if (this.#entries.get(name) !== entry) return 0
    this.#entries.delete(name)
    if (end !== null) this.ledger.ended(end, entry.scans)
    this.#unsaved.set(name, { db: entry.db, key: entry.key, gone: true })
    this.from[entry.from]--
    this.#board.clearDirty(entry.stripe)
    return end === null ? 0 : entry.scans
  }

  /** They are the same on both sides: those that were in the error queue leave it, and what was counted as exported ends like this instead. */
  settle(keys: readonly DbKey[], end: ScanEnd): void {
    this.ledger.leftQueue(end, this.#store.settleFailed(keys))
  }

  /** Nothing is known to differ any more: after a rollback to `observe`, or when the follower is given up. */
  clear(): void {
    for (const entry of [...this.#entries.values()]) this.drop(entry)
    this.resyncReason = null
  }

  /** Writes what changed since the last call. */
  save(): void {
    if (this.#unsaved.size === 0) return
    const gone: { db: number; key: Buffer }[] = []
    const dirty: DirtyEntry[] = []
    for (const change of this.#unsaved.values()) {
      if ('gone' in change) gone.push(change)
      else dirty.push(change)
    }
    this.#unsaved.clear()
    if (gone.length > 0) this.#store.removeDirty(gone)
    if (dirty.length > 0) this.#store.saveDirty(dirty)
  }
}

const nameOf = (db: number, key: Buffer): string => `${db}:${key.toString('latin1')}`
