/**
 * Changes of awaited keys that did not pass through Ferry, told by the authority itself. Opened when the first client blocks, moved at
 * a flip. Where a server does not tell, its awaited keys are asked for, so many at a time.
 */
import type { Side } from '../routing/modes.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import type { FlipListener } from './flip-listener.ts'
import type { Lanes } from './lanes.ts'
import { TrackingLane, type TrackingOwner } from './tracking-lane.ts'
import type { ChangeWatch } from './wait-board.ts'

/** How often keys are asked for where the server does not tell. */
const pollMs = 100
/** Keys asked for per poll: in turn, where there are more. */
const polledKeysMax = 1_000
/** How long a flip waits for the new authority's connection; without it keys are asked for once it is there. */
const prepareMs = 1_000

export class KeyWatch implements ChangeWatch, FlipListener, TrackingOwner {
  readonly #core: Core
  readonly #lanes: Lanes
  #current: TrackingLane | null = null
  #next: TrackingLane | null = null
  #whenReady: (() => void)[] = []
  #polling: Iterator<DbKey> | null = null
  #timer: NodeJS.Timeout | null = null
  #stopped = false

  constructor(core: Core, lanes: Lanes) {
    this.#core = core
    this.#lanes = lanes
  }

  /** From now on a change of this key wakes its waiters; it is asked for at once, since it may have come meanwhile. */
  watch(db: number, key: Buffer): void {
    if (this.#stopped) return
    const { authority } = this.#core.traffic
    if (this.#current?.lane.side !== authority) this.#replace(authority)
    // Not connected yet: it asks for all keys then.
    if (this.#current?.ready) this.#ask(this.#current, db, key)
  }

  stop(): void {
    this.#stopped = true
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#current?.close()
    this.#next?.close()
  }

  async prepare(authority: Side): Promise<void> {
    if (this.#current === null || this.#next?.lane.side === authority) return
    this.#next = this.#open(authority)
    await new Promise<void>((resolve) => {
      this.#whenReady.push(resolve)
      setTimeout(resolve, prepareMs).unref()
    })
  }

  /** Everybody tries again: what is there now is on the other side. */
  flipped(authority: Side): void {
    if (this.#current !== null) this.#replace(authority)
    this.#core.waits.wakeAll()
  }

  trackingReady(from: TrackingLane): void {
    for (const resolve of this.#whenReady.splice(0)) resolve()
    if (from !== this.#current) return
    this.#askAll(from)
  }

  changed(from: TrackingLane, keys: readonly Buffer[] | null): void {
    if (from !== this.#current) return
    if (keys === null) this.#askAll(from)
    else for (const key of keys) for (const db of this.#core.waits.databasesOf(key)) this.#ask(from, db, key)
  }

  #open(side: Side): TrackingLane {
    return new TrackingLane(this.#lanes.lane(side), this)
  }

  #replace(side: Side): void {
    this.#current?.close()
    if (this.#next !== null && this.#next.lane.side !== side) this.#next.close()
    this.#current = this.#next?.lane.side === side ? this.#next : this.#open(side)
    this.#next = null
    this.#timer ??= setInterval(() => this.#poll(), pollMs)
    if (this.#current.ready) this.#askAll(this.#current)
  }

  #askAll(from: TrackingLane): void {
    for (const { db, key } of this.#core.waits.keys()) this.#ask(from, db, key)
  }

  /** A connection that is lost asks again once it is back. */
  #ask(from: TrackingLane, db: number, key: Buffer): void {
    const { waits } = this.#core
    from.exists(db, key).then(
      (exists) => (exists ? waits.wake(db, key) : waits.wakeGroups(db, key)),
      () => undefined,
    )
  }

  #poll(): void {
    const from = this.#current
    if (from === null || !from.ready || from.tracks) return
    for (let asked = 0; asked < polledKeysMax; asked++) {
      this.#polling ??= this.#core.waits.keys()
      const { value, done } = this.#polling.next()
      if (done) {
        this.#polling = null
        return
      }
      this.#ask(from, value.db, value.key)
    }
  }
}
