/** Whether the function libraries are the same on both sides. */

/** Kept by the core: told by whoever changes libraries, read by whoever copies them. */
export class Libraries {
  /** Why the follower's libraries may not be the authority's, or null. */
  problem: string | null = null
  /** Raised whenever a client's command changes libraries, when it is sent and when it is answered. */
  changes = 0
  /** Such commands not answered by both sides. */
  underWay = 0

  differ(reason: string): void {
    this.problem ??= reason
  }
}
