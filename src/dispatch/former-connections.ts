/**
 * Connections of a process that died. What it had sent may still be on the way, and would land on top of a copy that is made now: so
 * nothing is copied before the servers have cut them off, or enough time has passed where that could not be done.
 */
import { decodeAll } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Side } from '../routing/modes.ts'
import { type FormerConnection, fenceFor, unfencedWaitMs } from '../upstream/fence.ts'
import { freshContext, type Lane } from '../upstream/lane.ts'
import { exchange } from './key-transfer.ts'

export interface SidedConnection extends FormerConnection {
  readonly side: Side
}

export class FormerConnections {
  #open: SidedConnection[] = []

  add(connection: SidedConnection): void {
    this.#open.push(connection)
  }

  /** Those that may not be dead yet. */
  get open(): readonly SidedConnection[] {
    return this.#open
  }

  pending(side: Side): boolean {
    return this.#open.some((connection) => connection.side === side)
  }

  /** `lane` is up and has the rights for it; where it goes down on the way, the next one tries again. */
  async fence(lane: Lane): Promise<void> {
    const former = this.#open.filter(({ side }) => side === lane.side)
    if (former.length === 0) return
    if (!(await killed(lane, former).catch(() => false))) await new Promise((resolve) => setTimeout(resolve, unfencedWaitMs))
    if (lane.up) this.#open = this.#open.filter((connection) => !former.includes(connection))
  }
}

/** Whether the server says of each that it is gone. */
async function killed(lane: Lane, former: readonly SidedConnection[]): Promise<boolean> {
  const fences = former.map((connection) => fenceFor(connection, lane.runId))
  const ids = former.filter((_, i) => fences[i] === 'kill').map(({ clientId }) => clientId)
  if (ids.length === 0) return !fences.includes('wait')
  const frame = Buffer.concat(ids.map((id) => encodeCommand(['CLIENT', 'KILL', 'ID', String(id)])))
  const answers = await exchange(lane, freshContext, ids.length, (to) => to.write(frame, 0, frame.length))
  return decodeAll(answers).every((answer) => typeof answer === 'number') && !fences.includes('wait')
}
