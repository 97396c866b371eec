/**
 * Connections that one client has to itself for a while: a WATCH lives on one from its first key to EXEC, a WAIT is answered on one.
 * They belong to this pool, one shelf per shared lane, and go from client to client, so a transaction opens none of its own.
 *
 * A lane that is lost with commands in flight is kept until its next connection has killed the former one on the server: only then
 * nothing that it sent can still run (`orphaned`).
 */
import type { Side } from '../routing/modes.ts'
import type { Lane, LaneOwner } from './lane.ts'

/** Connections beside one shared lane, in use or not. Well below a server's own limit of clients (10,000), with many users. */
const pinnedLanesMax = 256
/** How long a client waits for one: as long as it would wait for an authority that is being reconnected. */
const pinWaitMs = 1_000
/** How long one is kept that nobody uses: longer than the pauses of a client that works, shorter than a server's `timeout`. */
const pinnedIdleMs = 30_000

export interface PinLimits {
  readonly lanesMax: number
  readonly waitMs: number
  readonly idleMs: number
}

const pinLimits: PinLimits = { lanesMax: pinnedLanesMax, waitMs: pinWaitMs, idleMs: pinnedIdleMs }

/** Why no connection could be had: too many are in use, or the server in its own words, or how the connection failed. */
export type PinRefusal =
  | { readonly why: 'limit'; readonly text: string }
  | { readonly why: 'not-admitted'; readonly text: string }
  | { readonly why: 'unreachable'; readonly text: string }

export interface PinHolder {
  /** The lane is up and has nothing in flight; it is the holder's alone until `giveBack` or `discard`. May be called within `take`. */
  pinned(lane: Lane): void
  /** None could be had. Never called within `take`. */
  refused(refusal: PinRefusal): void
  /** The connection went, and every waiter was told. The lane is not the holder's any more. */
  unpinned(lane: Lane): void
}

export class PinnedPool {
  readonly #limits: PinLimits
  /** By the shared lane whose server and credentials they have. */
  readonly #shelves = new Map<Lane, Shelf>()
  #timer: NodeJS.Timeout | null = null

  constructor(limits: PinLimits = pinLimits) {
    this.#limits = limits
  }

  /** A connection like `shared` for this holder: an idle one, a new one, or the next that comes back. */
  take(shared: Lane, holder: PinHolder): void {
    let shelf = this.#shelves.get(shared)
    if (shelf === undefined) {
      shelf = new Shelf(shared, this.#limits)
      this.#shelves.set(shared, shelf)
    }
    this.#timer ??= setInterval(() => this.#sweep(), this.#limits.idleMs / 2).unref()
    shelf.take(holder)
  }

  /** The holder does not want one any more. What it holds already it gives back itself. */
  forget(shared: Lane, holder: PinHolder): void {
    this.#shelves.get(shared)?.forget(holder)
  }

  /** For the next client, once everything on it is answered. It must be as it was: nothing watched, nothing subscribed to, no MULTI. */
  giveBack(lane: Lane): void {
    this.#shelfOf(lane)?.giveBack(lane)
  }

  /** Ends a lane that is not clean, or whose answer nobody waits for any more. Only where nothing is in flight that writes. */
  discard(lane: Lane): void {
    this.#shelfOf(lane)?.drop(lane)
  }

  *all(): Generator<Lane> {
    for (const shelf of this.#shelves.values()) yield* shelf.lanes()
  }

  /** Whether a side may still run commands of a connection that was lost. */
  orphaned(side: Side): boolean {
    for (const lane of this.all()) if (lane.side === side && lane.orphaned) return true
    return false
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    for (const shelf of this.#shelves.values()) shelf.stop()
  }

  #shelfOf(lane: Lane): Shelf | undefined {
    for (const shelf of this.#shelves.values()) if (shelf.has(lane)) return shelf
    return undefined
  }

  #sweep(): void {
    for (const [shared, shelf] of this.#shelves) {
      shelf.closeIdle()
      if (shelf.empty) this.#shelves.delete(shared)
    }
  }
}

interface Waiting {
  readonly holder: PinHolder
  readonly timer: NodeJS.Timeout
}

class Shelf implements LaneOwner {
  readonly #shared: Lane
  readonly #limits: PinLimits
  /** Every lane of this shelf with whoever holds it; null: idle, connecting, or on its way back. */
  readonly #lanes = new Map<Lane, PinHolder | null>()
  /** The one used last is taken first, so that those in excess grow old. */
  readonly #idle: { readonly lane: Lane; readonly sinceMs: number }[] = []
  /** Not open yet. */
  readonly #connecting = new Set<Lane>()
  #waiting: Waiting[] = []

  constructor(shared: Lane, limits: PinLimits) {
    this.#shared = shared
    this.#limits = limits
  }

  get empty(): boolean {
    return this.#lanes.size === 0 && this.#waiting.length === 0
  }

  has(lane: Lane): boolean {
    return this.#lanes.has(lane)
  }

  lanes(): Iterable<Lane> {
    return this.#lanes.keys()
  }

  take(holder: PinHolder): void {
    const lane = this.#idle.pop()?.lane
    if (lane !== undefined) {
      this.#give(lane, holder)
      return
    }
    const timer = setTimeout(() => this.#tooLate(holder), this.#limits.waitMs)
    this.#waiting.push({ holder, timer })
    if (this.#lanes.size < this.#limits.lanesMax) this.#open()
  }

  forget(holder: PinHolder): void {
    for (const waiting of this.#waiting) if (waiting.holder === holder) clearTimeout(waiting.timer)
    this.#waiting = this.#waiting.filter((waiting) => waiting.holder !== holder)
  }

  giveBack(lane: Lane): void {
    if ((this.#lanes.get(lane) ?? null) === null) return
    this.#lanes.set(lane, null)
    lane.whenAnswered((answered) => {
      if (answered && lane.up && this.#lanes.has(lane)) this.#offer(lane)
    })
  }

  drop(lane: Lane): void {
    this.#lanes.delete(lane)
    this.#connecting.delete(lane)
    const at = this.#idle.findIndex((idle) => idle.lane === lane)
    if (at >= 0) this.#idle.splice(at, 1)
    lane.close()
    // Its place is free for somebody who waits.
    if (this.#waiting.length > 0 && this.#lanes.size < this.#limits.lanesMax) this.#open()
  }

  closeIdle(): void {
    const oldestMs = performance.now() - this.#limits.idleMs
    for (const { lane, sinceMs } of [...this.#idle]) if (sinceMs <= oldestMs) this.drop(lane)
  }

  stop(): void {
    for (const { timer } of this.#waiting) clearTimeout(timer)
    this.#waiting = []
    for (const lane of [...this.#lanes.keys()]) this.drop(lane)
  }

  laneUp(lane: Lane): void {
    this.#connecting.delete(lane)
    if (lane.admitted) this.#offer(lane)
    else {
      this.#refuseAll({ why: 'not-admitted', text: lane.lastError ?? 'NOAUTH Authentication required.' })
      this.drop(lane)
    }
  }

  laneDown(lane: Lane): void {
    const holder = this.#lanes.get(lane) ?? null
    if (!this.#lanes.has(lane)) return
    this.#lanes.set(lane, null)
    if (this.#connecting.has(lane)) this.#refuseFirst(lane.lastError ?? 'the connection was closed')
    // Kept where the server may still run what it sent: the next connection ends the former one there.
    if (!lane.orphaned) this.drop(lane)
    holder?.unpinned(lane)
  }

  #open(): void {
    const lane = this.#shared.sibling(this)
    this.#lanes.set(lane, null)
    this.#connecting.add(lane)
    lane.connect()
  }

  #offer(lane: Lane): void {
    const next = this.#waiting.shift()
    if (next === undefined) {
      this.#idle.push({ lane, sinceMs: performance.now() })
      return
    }
    clearTimeout(next.timer)
    this.#give(lane, next.holder)
  }

  #give(lane: Lane, holder: PinHolder): void {
    this.#lanes.set(lane, holder)
    holder.pinned(lane)
  }

  #tooLate(holder: PinHolder): void {
    this.forget(holder)
    holder.refused({ why: 'limit', text: this.#tooMany() })
  }

  #tooMany(): string {
    const { side } = this.#shared
    if (this.#lanes.size < this.#limits.lanesMax) return `${side} gave no connection within ${this.#limits.waitMs} ms`
    return `${this.#limits.lanesMax} connections of this user to ${side} are in use by WATCH or WAIT`
  }

  /** One connection that failed is one client that waits for nothing. */
  #refuseFirst(text: string): void {
    const first = this.#waiting.shift()
    if (first === undefined) return
    clearTimeout(first.timer)
    first.holder.refused({ why: 'unreachable', text })
  }

  #refuseAll(refusal: PinRefusal): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { holder, timer } of waiting) {
      clearTimeout(timer)
      holder.refused(refusal)
    }
  }
}
