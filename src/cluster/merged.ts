/** One command that several servers get, each the whole or its share of it, and the one reply made of theirs. */
import { type Merge, mergeReplies } from '../routing/merge-nodes.ts'
import { isLostReply } from '../upstream/wire.ts'
import { Place } from './line.ts'
import type { Part, PartOwner, Refusal } from './part.ts'

export interface MergeOwner {
  merged(place: Place, reply: Buffer): void
  keep(bytes: number): void
  redirected(part: Part, to: Refusal): boolean
  survives(error: Error): boolean
  broken(error: Error): void
}

export class Merged extends Place implements PartOwner {
  readonly #owner: MergeOwner
  readonly #merge: Merge
  readonly #replies: Buffer[] = []
  readonly #parts: Part[] = []
  #bytes = 0
  #left: number

  constructor(owner: MergeOwner, parts: number, merge: Merge) {
    super()
    this.#owner = owner
    this.#left = parts
    this.#merge = merge
  }

  add(part: Part): void {
    this.#parts.push(part)
  }

  override isOwedBy(server: object): boolean {
    return this.#parts.some(({ at }) => at === server)
  }

  deliver(part: Part, bytes: Buffer, ended: boolean): void {
    this.#replies[part.share] = bytes
    this.#bytes += bytes.length
    this.keep(bytes.length)
    if (!ended || --this.#left > 0) return
    this.keep(-this.#bytes)
    const lost = this.#replies.find(isLostReply)
    this.#owner.merged(this, lost ?? mergeReplies(this.#replies, this.#merge))
  }

  keep(bytes: number): void {
    this.#owner.keep(bytes)
  }

  redirected(part: Part, to: Refusal): boolean {
    return this.#owner.redirected(part, to)
  }

  /** Its parts are one command each. */
  splitOff(): boolean {
    return false
  }

  survives(error: Error): boolean {
    return this.#owner.survives(error)
  }

  broken(error: Error): void {
    this.#owner.broken(error)
  }
}
