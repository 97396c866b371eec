/** `replicated`: the client gets the authority's reply as it comes; the follower is asked too, and what it says is only compared. */
import { isMiss } from '../commands/misses.ts'
import { type CommandSpec, Compare } from '../commands/spec.ts'
import { comparedReplyBytesMax } from '../limits.ts'
import { elementsOf } from '../resp/reply-elements.ts'
import { sameReply } from '../routing/compare-replies.ts'
import { otherSide, type Side } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Divergence, Look, Looks, SecondLooks } from './second-looks.ts'
import { covered, SidedRead } from './sided-read.ts'

export class ReplicatedRead extends SidedRead {
  override readonly sums = true
  readonly #looks: SecondLooks
  readonly #authority: Side
  #begun = false

  constructor(core: Core, client: Client, spec: CommandSpec, keys: readonly DbKey[], frame: Buffer, looks: SecondLooks) {
    super(core, client, spec, keys, frame)
    this.#looks = looks
    this.#authority = core.traffic.authority
  }

  start(): void {
    this.client.replies.push(this)
    this.ask(this.#authority)
    this.ask(otherSide(this.#authority))
  }

  protected override received(lane: Lane, bytes: Buffer, ended: boolean): void {
    const answer = this.answers[lane.side]
    if (answer.bytes <= comparedReplyBytesMax) answer.pieces.push(bytes)
    else answer.pieces = []
    if (lane.side !== this.#authority) return
    this.#begun = true
    if (ended) this.noteServed(lane.side)
    this.client.replies.deliver(this, bytes, 0, bytes.length, ended)
    if (!ended) this.client.pressed(lane)
  }

  protected override answered(): void {
    const { source, target } = this.answers
    if (source.state !== 'answered' || target.state !== 'answered') return
    const looks = { source: this.#look('source'), target: this.#look('target') }
    source.pieces = []
    target.pieces = []
    if (agree(this.spec, looks) || this.#notCopiedYet(looks)) return
    const { pair, context, spec, keys, frame } = this
    const authority = this.#authority
    this.#looks.later({ pair, context, spec, keys, frame, replies: 1 }, comparedReplyBytesMax, (again) =>
      divergence(spec, keys, authority, again),
    )
  }

  protected override unanswered(lane: Lane, _midReply: boolean): void {
    if (lane.side !== this.#authority) return
    if (this.#begun) this.client.abort(`${lane.side} was lost in the middle of a reply`)
    else this.refuse(lane)
  }

  #look(side: Side): Look {
    const { bytes: length, sum } = this.answers[side]
    return { bytes: length <= comparedReplyBytesMax ? this.whole(side) : null, length, sum }
  }

  /** That a key is missing says nothing until everything was copied. */
  #notCopiedYet(looks: Looks): boolean {
    if (covered(this.core, this.keys)) return false
    const { bytes } = looks[otherSide(this.#authority)]
    return bytes === null || isMiss(this.spec, bytes)
  }
}

/** Of replies too long to be kept only the bytes can be compared, which says nothing where the order is open. */
function agree(spec: CommandSpec, { source, target }: Looks): boolean {
  if (source.bytes !== null && target.bytes !== null) return sameReply(spec, source.bytes, target.bytes)
  return spec.compare !== Compare.Exact || (source.length === target.length && source.sum === target.sum)
}

function divergence(spec: CommandSpec, keys: readonly DbKey[], authority: Side, looks: Looks): Divergence | null {
  return agree(spec, looks) ? null : { from: authority, keys: differingKeys(spec, keys, looks) }
}

/** Where each key has an element of its own (MGET), those whose elements differ; else all of them. */
function differingKeys(spec: CommandSpec, keys: readonly DbKey[], { source, target }: Looks): readonly DbKey[] {
  if (keys.length < 2 || spec.name !== 'mget' || source.bytes === null || target.bytes === null) return keys
  const [left, right] = [elementsOf(source.bytes), elementsOf(target.bytes)]
  if (left?.length !== keys.length || right?.length !== keys.length) return keys
  return keys.filter((_, i) => !sameReply(spec, left[i] as Buffer, right[i] as Buffer))
}
