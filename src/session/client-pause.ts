/** CLIENT PAUSE: all of Ferry's clients, or those of them that write, wait until a moment. What runs already runs on. */
import type { CommandSpec } from '../commands/spec.ts'
import { Kind } from '../commands/spec.ts'
import type { Parked } from '../dispatch/order-board.ts'
import type { Transaction } from './transaction-queue.ts'

/** Longer ones are refused: a pause that nobody remembers is an outage. */
export const pauseMsMax = 3_600_000

export class ClientPause {
  /** Whether anybody may have to wait now. */
  active = false
  #all = false
  #endMs = 0
  #timer: NodeJS.Timeout | null = null
  #parked = new Set<Parked>()

  /** A pause is never made shorter or milder by another one, as on a server. */
  begin(lengthMs: number, all: boolean): void {
    const endMs = performance.now() + lengthMs
    this.#all = all || (this.active && this.#all)
    this.#endMs = Math.max(this.#endMs, endMs)
    this.active = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.end(), this.#endMs - performance.now())
    this.#timer.unref()
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.active = false
    this.#all = false
    this.#endMs = 0
    const parked = this.#parked
    this.#parked = new Set()
    for (const session of parked) session.unpark()
  }

  /** `open`: the client's transaction. */
  stops(spec: CommandSpec, open: Transaction | null): boolean {
    return this.active && (this.#all || mayReplicate(spec, open))
  }

  park(session: Parked): void {
    this.#parked.add(session)
  }

  /** Whether this one waits for the end. */
  holds(session: Parked): boolean {
    return this.active && this.#parked.has(session)
  }

  forget(session: Parked): void {
    this.#parked.delete(session)
  }
}

/** What a server calls so: everything that could reach a replica. */
function mayReplicate(spec: CommandSpec, open: Transaction | null): boolean {
  if (spec.name === 'exec') return open?.commands.some((queued) => replicates(queued.spec)) === true
  return replicates(spec)
}

function replicates(spec: CommandSpec): boolean {
  return spec.write || spec.kind === Kind.Publish || spec.kind === Kind.Script || spec.name === 'pfcount'
}
