/** Every client that tracks: at a flip, tracking moves to the new authority with all of them. */
import type { FlipListener } from '../dispatch/flip-listener.ts'
import type { Side } from '../routing/modes.ts'

/** The tracking of one client, as far as a flip is concerned. */
interface Tracked {
  /** Makes a connection to the side that is about to become the authority; resolves whether or not it is ready. */
  prepare(authority: Side, limitMs: number): Promise<void>
  flipped(): void
  discardNext(): void
}

/** How long a flip waits for the new connections. Who has none by then is told once more when it has. */
const prepareMs = 1_000

export class TrackingRegistry implements FlipListener {
  readonly #all = new Set<Tracked>()

  add(tracking: Tracked): void {
    this.#all.add(tracking)
  }

  delete(tracking: Tracked): void {
    this.#all.delete(tracking)
  }

  async prepare(authority: Side): Promise<void> {
    await Promise.all([...this.#all].map((tracking) => tracking.prepare(authority, prepareMs)))
  }

  /** What was made for a flip that did not come. */
  over(): void {
    for (const tracking of this.#all) tracking.discardNext()
  }

  flipped(): void {
    for (const tracking of this.#all) tracking.flipped()
  }
}
