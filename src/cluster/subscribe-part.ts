/**
 * A command that has no reply but its pushes, or one error and no push. A HELLO goes behind it, which always has exactly one reply: when
 * that is in, it is known which of the two it was.
 */
import { encodeCommand } from '../resp/encode.ts'
import type { ReplyLane } from '../upstream/waiter.ts'
import { unheard } from '../upstream/waiter.ts'
import { Part, type PartOwner } from './part.ts'

const fence = encodeCommand(['HELLO'])
const noBytes = Buffer.alloc(0)

export class SubscribePart extends Part {
  readonly #to: PartOwner
  #collected: Buffer[] = []

  constructor(owner: PartOwner, order: number, slot: number, frame: Buffer, context: number) {
    const buf = Buffer.concat([frame, fence])
    super(owner, order, slot, { buf, start: 0, end: buf.length, count: 1 }, context, true)
    this.#to = owner
  }

  override take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#collected.push(chunk.subarray(from, to))
    if (!ended) return
    const link = this.at
    this.at = null
    if (lane.errors === 0) {
      this.#to.deliver(this, noBytes, true)
      return
    }
    // In place of the confirmations; the fence's own reply is still to come.
    link?.lane.expect(unheard, 1)
    this.#to.deliver(this, Buffer.concat(this.#collected), true)
  }
}
