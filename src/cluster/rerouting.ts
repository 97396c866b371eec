/**
 * What happens when a slot is not where a command for it was sent. Nothing new leaves until all servers have answered what they have; then
 * what was redirected goes out first, in its order, and what came meanwhile behind it. So no command overtakes another one on its key.
 */
import type { Redirection } from '../routing/slot-map.ts'
import type { Carrier } from './carrier.ts'
import type { Part, Refusal } from './part.ts'
import { PartQueue } from './part-queue.ts'

/** A command that is sent on more often than this is answered with the redirection itself. */
const redirectionsMax = 16
/** How long a command on keys that are just being moved is tried again (TRYAGAIN). */
const tryAgainMs = 1_000
const tryAgainPauseMs = 20
/** How long a server that serves nothing any more is waited for. */
const drainMs = 2_000
const drainPollMs = 10

export class Rerouting {
  readonly #wire: Carrier
  /** Nothing new leaves. */
  active = false
  /** Came while nothing may leave. */
  readonly #held = new PartQueue()
  /** Refused by the server they were sent to. */
  readonly #again = new PartQueue()
  #pauseMs = 0
  #sinceMs = 0
  #timer: NodeJS.Timeout | null = null

  constructor(wire: Carrier) {
    this.#wire = wire
  }

  get heldBytes(): number {
    return this.#held.bytes + this.#again.bytes
  }

  /** Keeps what may not leave now. */
  holds(part: Part): boolean {
    if (this.active) this.#held.push(part)
    return this.active
  }

  /** False: the server's answer stands. */
  redirect(part: Part, to: Refusal): boolean {
    if (++part.redirections > redirectionsMax) return false
    const asked = part.at?.node.host ?? ''
    if (part.guard !== null) {
      if (typeof to === 'object' && to.kind === 'moved') this.#wire.topology.redirected(to, asked)
      return false
    }
    if (to === 'again') return this.#tryAgain(part)
    if (to === 'replica') return this.#toHeir(part)
    if (to.kind === 'ask') return this.#ask(part, to, asked)
    this.#wire.topology.redirected(to, asked)
    part.node = null
    part.asking = false
    part.slot = to.slot
    this.#again.push(part)
    this.begin(0)
    return true
  }

  begin(pauseMs: number): void {
    this.#pauseMs = Math.max(this.#pauseMs, pauseMs)
    if (this.active) return
    this.active = true
    this.#sinceMs = performance.now()
    this.#wire.readAll()
    this.#drain()
  }

  /** The wire is closed: what is kept here was never sent, and never is. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.active = true
    this.#held.takeAll()
    this.#again.takeAll()
  }

  /** The key has gone already, the slot not yet: asked there, just this once. Each command of a block would have to be. */
  #ask(part: Part, { host, port }: Redirection, asked: string): boolean {
    if (part.whole && part.count > 1) return false
    part.asking = true
    this.#wire.linkAt(host === '' ? asked : host, port).send(part)
    return true
  }

  /** It was sent to this very server, as to all primaries: whoever is one in its place gets it. */
  #toHeir(part: Part): boolean {
    part.node = this.#wire.topology.heirOf(part.at?.node.id ?? '')?.id ?? part.node
    this.#again.push(part)
    void this.#wire.topology.refresh()
    this.begin(tryAgainPauseMs)
    return true
  }

  /** Some of its keys have gone, some not. Commands on single ones of them may have been run before it: both sides have to agree on it again. */
  #tryAgain(part: Part): boolean {
    const nowMs = performance.now()
    if (part.tryingSinceMs === 0) part.tryingSinceMs = nowMs
    if ((part.whole && part.count > 1) || nowMs - part.tryingSinceMs > tryAgainMs) return false
    part.redirections--
    this.#wire.options.reordered(part.buf.subarray(part.start, part.end), part.context)
    this.#again.push(part)
    this.begin(tryAgainPauseMs)
    return true
  }

  #drain(): void {
    const busy = [...this.#wire.links].filter(({ lane }) => lane.inFlight > 0)
    if (busy.length === 0) {
      this.#timer = setTimeout(() => this.#end(), this.#pauseMs)
      return
    }
    if (performance.now() - this.#sinceMs > drainMs) {
      const owners = new Set(this.#wire.topology.map?.owners.map(({ id }) => id))
      for (const { node, lane } of busy) if (!owners.has(node.id)) lane.fail(new Error('it serves no slots any more'))
    }
    this.#timer = setTimeout(() => this.#drain(), drainPollMs)
  }

  #end(): void {
    const atLinks = [...this.#wire.links].flatMap((link) => link.takeWaiting())
    const parts = [...this.#again.takeAll(), ...atLinks, ...this.#held.takeAll()]
    parts.sort((a, b) => a.order - b.order || a.share - b.share)
    this.#pauseMs = 0
    this.active = false
    this.#wire.followMap()
    for (const part of parts) this.#wire.dispatch(part)
  }
}
