import type { Core } from '../dispatch/core.ts'
import type { Ticket } from '../dispatch/order-board.ts'

/** A hold on some keys that lets go by itself when it makes a client wait for too long. */
export class CopyHold {
  givenUp = false
  readonly #core: Core
  readonly #ticket: Ticket
  readonly #timer: NodeJS.Timeout
  #closed = true

  constructor(core: Core, ticket: Ticket, waitMs: number) {
    this.#core = core
    this.#ticket = ticket
    core.counters.holds.taken++
    this.#timer = setInterval(() => this.#check(), Math.max(1, waitMs / 2))
  }

  /** The value is read: writes may reach the authority again. */
  defer(): void {
    if (this.givenUp) return
    clearInterval(this.#timer)
    this.#closed = false
    this.#core.board.defer(this.#ticket)
  }

  end(): void {
    clearInterval(this.#timer)
    if (!this.givenUp) this.#core.board.finish(this.#ticket)
  }

  /** Before the value is read nothing was written yet, so letting go costs nothing but another try. */
  #check(): void {
    if (!this.#closed || this.#ticket.parked.length === 0) return
    this.givenUp = true
    this.#core.counters.holds.givenUp++
    clearInterval(this.#timer)
    this.#core.board.finish(this.#ticket)
  }
}
