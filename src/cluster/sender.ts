/** Makes the parts of commands and sends them on: to any server, to one, or to several with one reply of theirs. */
import { Route } from '../routing/cluster-route.ts'
import type { Merge } from '../routing/merge-nodes.ts'
import { freshContext } from '../upstream/lane.ts'
import type { Carrier } from './carrier.ts'
import { Merged } from './merged.ts'
import { Part, type PartOwner } from './part.ts'
import { ScriptPart } from './script-part.ts'

/** What one server gets of a command. */
export interface Share {
  readonly frame: Buffer
  readonly slot: number
  /** By id; null = whoever serves the slot. */
  readonly node: string | null
}

interface Request {
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  readonly count: number
}

export class Sender {
  /** Protocol and database of what is sent from now on. */
  context = freshContext
  /** Goes to the server of the next command, ahead of it. */
  prefix: Buffer | null = null
  readonly #wire: Carrier

  constructor(wire: Carrier) {
    this.#wire = wire
  }

  part(slot: number, request: Request, whole = false): Part {
    const part = new Part(this.#wire, this.#wire.nextOrder(), slot, request, this.context, whole)
    part.prefix = this.prefix
    this.prefix = null
    return part
  }

  toHome(frame: Buffer): void {
    const part = this.part(Route.home, { buf: frame, start: 0, end: frame.length, count: 1 })
    this.#wire.place(part)
    this.#wire.dispatch(part)
  }

  /** `alone`: keys are watched. */
  script(slot: number, frame: Buffer, alone: boolean): void {
    const part = new ScriptPart(this.#wire, this.#wire.nextOrder(), slot, frame, this.context, alone)
    part.prefix = this.prefix
    this.prefix = null
    this.#wire.place(part)
    this.#wire.dispatch(part)
  }

  toEach(shares: readonly Share[], merge: Merge): void {
    const merged = new Merged(this.#wire, shares.length, merge)
    this.#wire.place(merged)
    const order = this.#wire.nextOrder()
    shares.forEach(({ frame, slot, node }, share) => {
      const request = { buf: frame, start: 0, end: frame.length, count: 1 }
      const part = new Part(merged, order, slot, request, this.context, true)
      part.node = node
      part.share = share
      merged.add(part)
      this.#wire.dispatch(part)
    })
  }

  /** To one server, by id; nobody waits for what it says, whatever that is. */
  silently(node: string, frame: Buffer): void {
    const request = { buf: frame, start: 0, end: frame.length, count: 1 }
    const part = new Part(unheardOwner, this.#wire.nextOrder(), Route.home, request, this.context, true)
    part.node = node
    this.#wire.dispatch(part)
  }

  every(frame: Buffer, merge: Merge): void {
    this.toEach(
      this.#wire.everyNode().map(({ id }) => ({ frame, slot: Route.home, node: id })),
      merge,
    )
  }
}

/** Of parts that have no place in the order of replies. */
export const unheardOwner: PartOwner = {
  keep: () => undefined,
  deliver: () => undefined,
  redirected: () => false,
  splitOff: () => false,
  survives: () => true,
  broken: () => undefined,
}
