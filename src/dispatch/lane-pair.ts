/** The two lanes of one set of credentials. All clients with these credentials share them. */
import type { Side } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'

export class LanePair {
  readonly source: Lane
  readonly target: Lane
  /** 1 to 255: which pair wrote to a stripe last, where several pairs are in use. */
  readonly id: number
  readonly name: string
  clients = 0

  constructor(id: number, name: string, source: Lane, target: Lane) {
    this.id = id
    this.name = name
    this.source = source
    this.target = target
  }

  lane(side: Side): Lane {
    return side === 'source' ? this.source : this.target
  }
}
