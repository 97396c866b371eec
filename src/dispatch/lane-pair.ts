/** The two lanes of one set of credentials. All clients with these credentials share them. */
import type { Side } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'

export class LanePair {
  readonly source: Lane
  readonly target: Lane
  /** 1 to 255: which pair wrote to a stripe last, where several pairs are in use. */
  readonly id: number
  readonly name: string
  /** The lane whose server decides whether these credentials are good, where the other one is opened with credentials of Ferry's own. */
  readonly doorkeeper: Lane | null
  clients = 0
  /** Whether its user may send the reads that Ferry puts into a transaction to learn what it did. Where not, they would spoil it. */
  companions: 'untried' | 'allowed' | 'refused' = 'untried'
  /** When it was first seen without clients and commands; turn clock, 0 = it is in use. */
  idleSinceMs = 0

  constructor(id: number, name: string, source: Lane, target: Lane, doorkeeper: Lane | null = null) {
    this.id = id
    this.name = name
    this.source = source
    this.target = target
    this.doorkeeper = doorkeeper
  }

  /** Nobody uses it, and nothing that it sent can still run. */
  get idle(): boolean {
    const quiet = (lane: Lane): boolean => !lane.orphaned && (!lane.up || lane.inFlight === 0)
    return this.clients === 0 && quiet(this.source) && quiet(this.target)
  }

  lane(side: Side): Lane {
    return side === 'source' ? this.source : this.target
  }
}
