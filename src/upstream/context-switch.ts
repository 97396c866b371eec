/** A SELECT or HELLO that Ferry puts between clients' commands. It was tried before; if it fails now, the lane cannot be trusted. */
import { encodeCommand } from '../resp/encode.ts'
import type { ReplyLane, Waiter } from './waiter.ts'

/** What was sent right behind the refused command may have run where it was not meant to: in another database. */
export class ContextRefused extends Error {}

export class ContextSwitch implements Waiter {
  readonly sums = false
  readonly frame: Buffer
  readonly #what: string
  readonly #lane: { fail(error: Error): void }

  /** Fails `lane` where the server refuses. */
  constructor(argv: readonly string[], lane: { fail(error: Error): void }) {
    this.frame = encodeCommand(argv)
    this.#what = argv.join(' ')
    this.#lane = lane
  }

  take(lane: ReplyLane, _chunk: Buffer, _from: number, _to: number, ended: boolean): void {
    if (ended && lane.errors > 0) this.#lane.fail(new ContextRefused(`the server refused ${this.#what}`))
  }

  lost(): void {
    // The lane's owner knows; nobody else waits for this.
  }
}
