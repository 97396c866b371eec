/**
 * Who may go to the follower when. Plain writes need no entry here: both lanes get them in the same turn, so their order is the same
 * by construction. Whatever breaks that symmetry for some keys (a copy that is under way, a write that waits behind it) takes a
 * ticket on those keys' stripes; a later one on any of them waits until it is first on all of its own.
 *
 * Per stripe, as flags: `closed`, no write may go anywhere (the payload is being read); `deferred`, a write goes to the authority at
 * once and its follower half takes a ticket; `dirty`, the two sides may differ, so reads stay with the side that has the truth; `awaited`,
 * blocked clients wait for a write, which changes nothing for reads; `noted`, writes are noted (moving/write-notes.ts), no more.
 */
import { stripeCount } from '../routing/stripe.ts'

export const Stripe = { free: 0, closed: 1, deferred: 2, dirty: 4, awaited: 8, noted: 16 } as const
/** What the end of a ticket leaves as it is. */
const lasting = Stripe.dirty | Stripe.awaited | Stripe.noted
/** What a read has to mind. */
export const readFlags = Stripe.closed | Stripe.deferred | Stripe.dirty

export interface Parked {
  unpark(): void
}

export class Ticket {
  readonly stripes: readonly number[]
  blockers = 0
  readonly behind: Ticket[] = []
  /** Null until it is known what is to be done. */
  run: (() => void) | null = null
  parked: Parked[] = []
  /** A hold: it is not over once it has run. */
  stays = false
  /** See OrderBoard.beginEpoch. */
  readonly epoch: number

  constructor(stripes: readonly number[], epoch: number) {
    this.stripes = stripes
    this.epoch = epoch
  }
}

export class OrderBoard {
  readonly flags = new Uint8Array(stripeCount)
  /** While above 0 no write starts: a barrier is waiting or running. */
  gates = 0
  /** Stripes that blocked clients wait for. */
  awaited = 0
  #tails = new Map<number, Ticket>()
  #dirty = new Map<number, number>()
  #noted = new Map<number, number>()
  #atGate: Parked[] = []
  #whenQuiet: (() => void)[] = []
  #open = 0
  #epoch = 0
  /** Open tickets by epoch, none where there are none. */
  #openIn = new Map<number, number>()
  #ready: Ticket[] = []
  #running = false

  /** Tickets not finished. */
  get openTickets(): number {
    return this.#open
  }

  /** Tickets taken from now on are of another epoch; answers the one that ends. */
  beginEpoch(): number {
    return this.#epoch++
  }

  /** Whether a ticket of this epoch, or of one before it, is not finished. */
  openUpTo(epoch: number): boolean {
    for (const open of this.#openIn.keys()) if (open <= epoch) return true
    return false
  }

  #ticket(stripes: readonly number[]): Ticket {
    this.#open++
    this.#openIn.set(this.#epoch, (this.#openIn.get(this.#epoch) ?? 0) + 1)
    return new Ticket(stripes, this.#epoch)
  }

  isBusy(stripe: number): boolean {
    return ((this.flags[stripe] as number) & (Stripe.closed | Stripe.deferred)) !== 0
  }

  /** Queues behind whatever stands on these stripes; `run` is called, perhaps at once, when nothing does any more. */
  open(stripes: readonly number[], run: () => void): void {
    this.arm(this.reserve(stripes), run)
  }

  /** Takes the place in the queue before it is known what will be done there; `arm` says so. */
  reserve(stripes: readonly number[]): Ticket {
    const ticket = this.#ticket(stripes)
    for (const stripe of stripes) {
      const before = this.#tails.get(stripe)
      if (before === ticket) continue
      if (before !== undefined) {
        before.behind.push(ticket)
        ticket.blockers++
      }
      this.#tails.set(stripe, ticket)
      this.flags[stripe] = (this.flags[stripe] as number) | Stripe.deferred
    }
    return ticket
  }

  arm(ticket: Ticket, run: () => void): void {
    ticket.run = run
    if (ticket.blockers > 0) return
    this.#ready.push(ticket)
    this.#runReady()
  }

  /** One after the other and never nested: thousands may stand behind one key. */
  #runReady(): void {
    if (this.#running) return
    this.#running = true
    try {
      for (let ticket = this.#ready.shift(); ticket !== undefined; ticket = this.#ready.shift()) {
        ticket.run?.()
        if (!ticket.stays) this.#release(ticket)
      }
    } finally {
      this.#running = false
    }
    this.#quiet()
  }

  /** Closes stripes that are all free. The holder opens the way with `defer` and ends with `finish`. */
  hold(stripes: readonly number[]): Ticket {
    const ticket = this.#ticket(stripes)
    for (const stripe of stripes) {
      this.#tails.set(stripe, ticket)
      this.flags[stripe] = (this.flags[stripe] as number) | Stripe.closed
    }
    return ticket
  }

  /**
   * As `hold`, of stripes that may be busy: nothing new starts on them, and `run` is called, perhaps at once, when what stands on them is
   * through. Where somebody writes all the time, and each effect is known only by its reply, they are never free by themselves. Finished
   * before that it closes them no more, and `run` is called in its turn all the same.
   */
  holdBehind(stripes: readonly number[], run: () => void): Ticket {
    const ticket = this.reserve(stripes)
    ticket.stays = true
    for (const stripe of stripes) this.flags[stripe] = (this.flags[stripe] as number) | Stripe.closed
    this.arm(ticket, run)
    return ticket
  }

  /** From closed to deferred: the payload is read, writes may reach the authority again. */
  defer(ticket: Ticket): void {
    for (const stripe of ticket.stripes) {
      const flags = this.flags[stripe] as number
      if (flags & Stripe.closed) this.flags[stripe] = (flags & ~Stripe.closed) | Stripe.deferred
    }
    const parked = ticket.parked
    ticket.parked = []
    for (const waiting of parked) waiting.unpark()
  }

  /** Waits until the closed stripe is open. */
  park(stripe: number, waiting: Parked): void {
    const ticket = this.#tails.get(stripe)
    if (ticket === undefined) waiting.unpark()
    else ticket.parked.push(waiting)
  }

  finish(ticket: Ticket): void {
    if (ticket.blockers > 0) {
      ticket.stays = false
      this.defer(ticket)
      return
    }
    this.#release(ticket)
    this.#runReady()
  }

  #release(ticket: Ticket): void {
    for (const stripe of ticket.stripes) {
      if (this.#tails.get(stripe) !== ticket) continue
      this.#tails.delete(stripe)
      this.flags[stripe] = (this.flags[stripe] as number) & lasting
    }
    this.#open--
    const left = (this.#openIn.get(ticket.epoch) ?? 0) - 1
    if (left > 0) this.#openIn.set(ticket.epoch, left)
    else this.#openIn.delete(ticket.epoch)
    for (const next of ticket.behind) if (--next.blockers === 0 && next.run !== null) this.#ready.push(next)
    const parked = ticket.parked
    ticket.parked = []
    for (const waiting of parked) waiting.unpark()
  }

  /** Stops new writes; `run` is called once no ticket is open. The caller reopens with `openGate`. */
  closeGate(run: () => void): void {
    this.gates++
    this.#whenQuiet.push(run)
    this.#quiet()
  }

  openGate(): void {
    this.gates--
    if (this.gates > 0) return
    const waiting = this.#atGate
    this.#atGate = []
    for (const parked of waiting) parked.unpark()
  }

  parkAtGate(waiting: Parked): void {
    this.#atGate.push(waiting)
  }

  #quiet(): void {
    while (this.#open === 0 && this.#whenQuiet.length > 0) (this.#whenQuiet.shift() as () => void)()
  }

  /** From here on a write of this stripe leaves the hot path, so that the wait board hears of it. */
  beginWait(stripe: number): void {
    this.awaited++
    this.flags[stripe] = (this.flags[stripe] as number) | Stripe.awaited
  }

  endWait(stripe: number): void {
    this.awaited--
    this.flags[stripe] = (this.flags[stripe] as number) & ~Stripe.awaited
  }

  /** From here on a write of this stripe leaves the hot path. */
  beginNotes(stripe: number): void {
    this.#raise(this.#noted, Stripe.noted, stripe)
  }

  endNotes(stripe: number): void {
    this.#lower(this.#noted, Stripe.noted, stripe)
  }

  markDirty(stripe: number): void {
    this.#raise(this.#dirty, Stripe.dirty, stripe)
  }

  clearDirty(stripe: number): void {
    this.#lower(this.#dirty, Stripe.dirty, stripe)
  }

  /** Several keys may share a stripe: its flag stands as long as any of them wants it. */
  #raise(counts: Map<number, number>, flag: number, stripe: number): void {
    counts.set(stripe, (counts.get(stripe) ?? 0) + 1)
    this.flags[stripe] = (this.flags[stripe] as number) | flag
  }

  #lower(counts: Map<number, number>, flag: number, stripe: number): void {
    const left = (counts.get(stripe) ?? 0) - 1
    if (left > 0) {
      counts.set(stripe, left)
      return
    }
    counts.delete(stripe)
    this.flags[stripe] = (this.flags[stripe] as number) & ~flag
  }
}
