/** The ring in which those who wait for a lane's replies stand, in the order their commands were sent. */
import type { ReplyLane, Waiter } from './waiter.ts'

const initialSize = 1024

interface Drain {
  readonly at: number
  readonly done: (answered: boolean) => void
}

/** Grows by doubling; the lane bounds how much is in flight. */
export class WaiterRing {
  head = 0
  tail = 0
  #waiters: (Waiter | null)[] = new Array<Waiter | null>(initialSize).fill(null)
  #counts = new Int32Array(initialSize)
  #mask = initialSize - 1
  #drains: Drain[] = []

  get empty(): boolean {
    return this.head === this.tail
  }

  push(waiter: Waiter, count: number): void {
    if (this.tail - this.head > this.#mask) this.#grow()
    const at = this.tail & this.#mask
    this.#waiters[at] = waiter
    this.#counts[at] = count
    this.tail++
  }

  get first(): Waiter {
    return this.#waiters[this.head & this.#mask] as Waiter
  }

  get firstCount(): number {
    return this.#counts[this.head & this.#mask] as number
  }

  replaceFirst(waiter: Waiter): void {
    this.#waiters[this.head & this.#mask] = waiter
  }

  shift(): void {
    this.#waiters[this.head & this.#mask] = null
    this.head++
  }

  /** Calls `done` once everything that is in it now is answered; at once if nothing is. `false`: it was lost. */
  whenAnswered(done: (answered: boolean) => void): void {
    if (this.empty) done(true)
    else this.#drains.push({ at: this.tail, done })
  }

  /** Tells those who wait for what is answered by now. */
  tellAnswered(): void {
    while (this.#drains.length > 0 && (this.#drains[0] as Drain).at <= this.head) (this.#drains.shift() as Drain).done(true)
  }

  /** Nobody in it gets a reply any more: of the first one `left` are missing, 0 = all. It is not used again. */
  loseAll(lane: ReplyLane, left: number, midReply: boolean): void {
    const drains = this.#drains
    this.#drains = []
    for (let first = true; !this.empty; this.shift(), first = false) {
      this.first.lost(lane, first && left > 0 ? left : this.firstCount, first && midReply)
    }
    for (const drain of drains) drain.done(false)
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2
    const waiters = new Array<Waiter | null>(size).fill(null)
    const counts = new Int32Array(size)
    for (let i = this.head; i < this.tail; i++) {
      waiters[i & (size - 1)] = this.#waiters[i & this.#mask] as Waiter
      counts[i & (size - 1)] = this.#counts[i & this.#mask] as number
    }
    this.#waiters = waiters
    this.#counts = counts
    this.#mask = size - 1
  }
}
