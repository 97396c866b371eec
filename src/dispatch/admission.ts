/** Whether a write may start now; else its client is parked, and woken when it is worth another try. */
import { otherFormOf } from '../commands/other-forms.ts'
import type { CommandSpec } from '../commands/spec.ts'
import { contextOf } from '../upstream/lane.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Frame } from './frame.ts'
import type { Lanes } from './lanes.ts'
import { Stripe } from './order-board.ts'

/** How often a write looks whether its keys have been healed. */
const healedPollMs = 5

export class Admission {
  readonly #core: Core
  readonly #lanes: Lanes

  constructor(core: Core, lanes: Lanes) {
    this.#core = core
    this.#lanes = lanes
  }

  /**
   * Whether it is known which form of the command the authority takes from this client's user; else it is being asked, and the client is
   * parked. Not asked of a side that cannot be reached.
   */
  knowsForm(client: Client, spec: CommandSpec, frame: Frame, keys: readonly DbKey[]): boolean {
    const form = otherFormOf(spec.name)
    const [key] = keys
    // A large value goes as it is.
    if (form === null || key === undefined || frame.pieces !== null) return true
    const lane = this.#core.authorityLane(client.pair)
    if (!this.#core.accepts(lane)) return true
    const question = { name: spec.name, probes: () => form.probes(key.key) }
    return this.#core.forms.knows(lane, contextOf(client.protocol, key.db), question, key, client)
  }

  /** A write of these stripes: no gate is closed, none of them is held, and no other pair is before it. */
  admits(client: Client, stripes: readonly number[]): boolean {
    const { board, lastPair } = this.#core
    if (board.gates > 0) {
      board.parkAtGate(client)
      return false
    }
    // With several pairs of lanes a follower half that waits its turn could be overtaken on another pair's lane: nobody queues behind it.
    const barred = lastPair === null ? Stripe.closed : Stripe.closed | Stripe.deferred
    for (const stripe of stripes) {
      if (((board.flags[stripe] as number) & barred) === 0) continue
      board.park(stripe, client)
      return false
    }
    return !this.#otherPairBusy(client, stripes)
  }

  /**
   * A key whose truth is on the follower (the authority was away when it was written) is healed before the next write: what the authority
   * would answer now is out of date, and its word would then count for more than what the client was told before.
   */
  awaitsTruth(client: Client, keys: readonly DbKey[]): boolean {
    const { journal, traffic, turn, limits } = this.#core
    if (journal.from[traffic.follower] === 0) return false
    if (!keys.some(({ db, key }) => journal.truthOf(db, key) === traffic.follower)) return false
    // While the authority is away the follower alone is written to, and stays the truth.
    if (!this.#core.accepts(this.#core.authorityLane(client.pair))) return false
    const waitedMs = client.parkedSinceMs === 0 ? 0 : turn.nowMs - client.parkedSinceMs
    if (waitedMs > limits.authorityWaitMs) return false
    setTimeout(() => client.unpark(), healedPollMs)
    return true
  }

  /**
   * Lanes of different users are different connections, so the order between them is not given: a key that another pair wrote to last
   * has to wait until that pair's writes are answered on both sides. It is held meanwhile, or the other pair would always be there first.
   */
  #otherPairBusy(client: Client, stripes: readonly number[]): boolean {
    const last = this.#core.lastPair
    if (last === null) return false
    const me = client.pair.id
    for (const stripe of stripes) {
      const id = last[stripe] as number
      const other = id === 0 || id === me ? undefined : this.#lanes.pair(id)
      if (other === undefined || (other.source.inFlight === 0 && other.target.inFlight === 0)) continue
      this.#takeOver(client, stripes)
      return true
    }
    for (const stripe of stripes) last[stripe] = me
    return false
  }

  #takeOver(client: Client, stripes: readonly number[]): void {
    const { board, lastPair } = this.#core
    for (const stripe of stripes) (lastPair as Uint8Array)[stripe] = client.pair.id
    const ticket = board.hold(stripes)
    ticket.parked.push(client)
    this.#lanes.whenAnswered('source', () => this.#lanes.whenAnswered('target', () => board.finish(ticket)))
  }
}
