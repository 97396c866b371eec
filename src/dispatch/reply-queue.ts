/**
 * One client's replies, in the order of its commands whatever order they arrive in. Bytes for the first slot go straight to the
 * client's socket; bytes for a later one wait in that slot.
 */
export class ReplySlot {
  next: ReplySlot | null = null
  held: Buffer[] | null = null
  finished = false
}

export interface ReplySink {
  write(buf: Buffer, start: number, end: number): void
  /** Every reply so far is out. */
  drained(): void
}

export class ReplyQueue {
  /** Slots not finished or not delivered. */
  length = 0
  #first: ReplySlot | null = null
  #last: ReplySlot | null = null
  #sink: ReplySink

  constructor(sink: ReplySink) {
    this.#sink = sink
  }

  push(slot: ReplySlot): void {
    if (this.#last === null) this.#first = slot
    else this.#last.next = slot
    this.#last = slot
    this.length++
  }

  /** Whether the bytes of this slot go straight out. */
  isFirst(slot: ReplySlot): boolean {
    return this.#first === slot
  }

  deliver(slot: ReplySlot, buf: Buffer, from: number, to: number, ended: boolean): void {
    if (this.#first === slot) this.#sink.write(buf, from, to)
    else {
      slot.held ??= []
      slot.held.push(buf.subarray(from, to))
    }
    if (!ended) return
    slot.finished = true
    if (this.#first === slot) this.#advance()
  }

  /** A reply that is known already. */
  answer(bytes: Buffer): void {
    if (this.#first === null) {
      this.#sink.write(bytes, 0, bytes.length)
      return
    }
    const slot = new ReplySlot()
    this.push(slot)
    this.deliver(slot, bytes, 0, bytes.length, true)
  }

  #advance(): void {
    let slot = this.#first
    while (slot?.finished) {
      slot = slot.next
      this.#first = slot
      this.length--
      if (slot?.held) {
        for (const bytes of slot.held) this.#sink.write(bytes, 0, bytes.length)
        slot.held = null
      }
    }
    if (slot !== null) return
    this.#last = null
    this.#sink.drained()
  }
}
