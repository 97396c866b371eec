/** What a wire to a cluster is to those that work for it: where commands go, and in which order their replies stand. */
import type { SlotOwner } from '../routing/slot-map.ts'
import type { DialOptions } from '../upstream/wire.ts'
import type { Place } from './line.ts'
import type { MergeOwner } from './merged.ts'
import type { NodeLink } from './node-link.ts'
import type { Part, PartOwner } from './part.ts'
import type { Topology } from './topology.ts'

export interface Carrier extends PartOwner, MergeOwner {
  readonly topology: Topology
  readonly options: DialOptions
  /** Pushes depend on what was sent on it: it does not outlive any of its servers. */
  stateful: boolean
  /** Sent to every server first, also to those that are found later. */
  readonly sticky: Buffer[]
  readonly links: Iterable<NodeLink>
  /** The next number in the order in which commands came. */
  nextOrder(): number
  /** The next place in the order of the replies. */
  place(place: Place): void
  answer(bytes: Buffer): void
  /** To whoever serves its slot, in its turn. */
  dispatch(part: Part): void
  /** Null: nobody serves the slot. A negative one means any server. */
  linkFor(slot: number): NodeLink | null
  /** One that is up, always the same as long as it is. */
  home(): NodeLink | null
  /** All primaries; they are opened at the start. */
  everyNode(): readonly SlotOwner[]
  /** A server that a redirection names, and that the map may not have yet. */
  linkAt(host: string, port: number): NodeLink
  /** All servers are read, however much waits: each is to answer what it has, which is not more than is under way. */
  readAll(): void
  /** Follows the map as it is now: servers that serve nothing any more are let go. */
  followMap(): void
}
