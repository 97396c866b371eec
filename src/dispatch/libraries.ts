/** Whether the function libraries are the same on both sides. */

/** Kept by the core: told by whoever changes libraries, read by whoever copies them. */
export class Libraries {
  /** Why the follower's libraries may not be the authority's, or null. */
  problem: string | null = null
  /** Raised whenever a client's command changes libraries, when it is sent and when it is answered. */
  changes = 0
  /** Such commands not answered by both sides. */
  underWay = 0

  /** Where the change that began last gets its order from. */
  #place: number | null = null

  /** A client's change is sent. `place`: changes of the same place reach both sides in the same order; null where this one may not. */
  begin(place: number | null): void {
    if (this.underWay > 0 && (place === null || place !== this.#place)) this.differ('several clients changed them at once')
    this.#place = place
    this.changes++
    this.underWay++
  }

  /** Both sides have answered it, or will not. */
  end(): void {
    this.changes++
    this.underWay--
  }

  differ(reason: string): void {
    this.problem ??= reason
  }
}
