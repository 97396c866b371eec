/**
 * The gate for a command on all keys: it is closed to all writes, what is under way is waited for, and the client whose command it is passes
 * alone. One at a time; who comes meanwhile parks at the gate.
 */
import { type ArgView, argInteger } from '../commands/arg-view.ts'
import type { CommandSpec } from '../commands/spec.ts'
import type { Client } from './client.ts'
import type { Core } from './core.ts'
import type { Sent } from './frame.ts'
import type { Lanes } from './lanes.ts'

export class Barrier {
  readonly #core: Core
  readonly #service: Lanes
  /** The client that may pass the gate, which was closed for it. */
  #passes: Client | null = null

  constructor(core: Core, service: Lanes) {
    this.#core = core
    this.#service = service
  }

  /**
   * Several pairs have no order among them, and SWAPDB gives keys other names: then what is under way is all that was sent (`unordered`).
   * The client is woken when it may `enter`.
   */
  close(client: Client, unordered: boolean): Sent {
    const { board, lastPair } = this.#core
    const dry = lastPair !== null || unordered
    const pass = (): void => {
      this.#passes = client
      client.unpark()
      // A client that is gone, or has to wait for the authority, does not come by: the gate must not stay closed for it.
      setImmediate(() => {
        if (this.#passes !== client) return
        this.#passes = null
        board.openGate()
      })
    }
    board.closeGate(() => {
      if (dry) this.#service.whenAnswered('source', () => this.#service.whenAnswered('target', pass))
      else pass()
    })
    return 'parked'
  }

  /** Whether the gate was closed for this client; it passes once, and calls `reopen` when all is sent. */
  enter(client: Client): boolean {
    if (this.#passes !== client) return false
    this.#passes = null
    return true
  }

  reopen(client: Client): void {
    const { board, lastPair } = this.#core
    if (lastPair === null) board.openGate()
    else client.pair.source.whenAnswered(() => client.pair.target.whenAnswered(() => board.openGate()))
  }

  /** What a command on all keys means for what is known of the keys. Before it is sent. */
  noteGlobal(client: Client, spec: CommandSpec, args: ArgView): void {
    const { journal, traffic } = this.#core
    this.#core.intents?.doubt(`${spec.name} was under way`)
    this.#core.notes.changedAll(`${spec.name} ran`)
    if (this.#core.followerLane(client.pair) === null)
      this.#core.doubtAll('a command on all keys ran while the follower was away')
    if (spec.name === 'swapdb') {
      journal.swapped(argInteger(args, 1), argInteger(args, 2))
      // A scan that is under way would miss what came to a database it has passed.
      if (!traffic.covered) this.#core.doubtAll('databases were swapped before everything was copied')
    }
  }
}
