/**
 * Between which servers a pass of the mover runs. A cursor is one server's own: another one, or the same started anew, hashes keys otherwise.
 * And what was copied is only where it was copied to. Of a cluster it matters, too, who has which slot: what changed hands while nobody
 * looked may have gone past the scan.
 */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { type Side, sides } from '../routing/modes.ts'

/** A cursor was given to a server that did not give it. */
export class OtherServer extends Error {}

export class PassServers {
  /** The version of the slot map of the side that is scanned, when the pass began. */
  since = 0
  readonly #core: Core
  readonly #lanes: Lanes
  #atStart: string | null = null
  #scanned: Side = 'source'

  constructor(core: Core, lanes: Lanes) {
    this.#core = core
    this.#lanes = lanes
  }

  /** Both sides have answered since the process began. */
  begin(scanned: Side): void {
    this.#scanned = scanned
    this.#atStart = this.#now()
    this.since = this.#version()
  }

  /** As their lanes tell, with the one that is copied from; null where one does not tell its start from the next. */
  #now(): string | null {
    const { layouts } = this.#lanes
    const names = sides.map((side) => {
      const { runId } = this.#lanes.lane(side)
      const layout = layouts[side]
      if (runId === null || layout === null) return runId
      return layout.digest === null ? null : `${runId} with slots ${layout.digest}`
    })
    return names.includes(null) ? null : `${this.#core.traffic.authority} of ${names.join(' > ')}`
  }

  /** For a checkpoint; null where its cursor is of no use to another process: which slots moved since is known to this one alone. */
  named(): string | null {
    return this.#version() === this.since && this.#now() === this.#atStart ? this.#atStart : null
  }

  /** Another word after every start of the server; where it does not tell, after every connection. */
  startOf(side: Side): string {
    const { runId, connections } = this.#lanes.lane(side)
    return runId ?? `connection ${connections}`
  }

  /** Throws OtherServer where it is not the one any more that was started as `start`. */
  mustBe(side: Side, start: string): void {
    if (this.startOf(side) !== start)
      throw new OtherServer(`the ${side} was started anew, or another server took its place: its cursors mean nothing to it`)
  }

  #version(): number {
    return this.#lanes.layouts[this.#scanned]?.version ?? 0
  }
}
