/**
 * One client's replies, in the order of its commands whatever order they arrive in. Bytes for the first slot go straight to the
 * client's socket; bytes for a later one wait in that slot.
 */
export class ReplySlot {
  next: ReplySlot | null = null
  held: Buffer[] | null = null
  finished = false
  /** Some of its bytes are out, and not all. */
  begun = false
  /** Its bytes are dropped: CLIENT REPLY OFF or SKIP. Its place in the order stays. */
  muted = false
}

class PushSlot extends ReplySlot {
  constructor(bytes: Buffer) {
    super()
    this.finished = true
    this.held = [bytes]
  }
}

export interface ReplySink {
  write(buf: Buffer, start: number, end: number): void
  /** Every reply so far is out. */
  drained(): void
}

export class ReplyQueue {
  /** Slots not finished or not delivered. */
  length = 0
  /** Whether the replies to what comes now are dropped. Pushes are not. */
  muted = false
  /** Of pushes that wait for the end of a reply. */
  pushBytes = 0
  #first: ReplySlot | null = null
  #captured: Buffer[] | null = null
  #last: ReplySlot | null = null
  #sink: ReplySink

  constructor(sink: ReplySink) {
    this.#sink = sink
  }

  push(slot: ReplySlot): void {
    slot.muted = this.muted
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
    if (slot.muted) {
      // Nothing of it is ever sent.
    } else if (this.#first === slot) this.#sink.write(buf, from, to)
    else {
      slot.held ??= []
      slot.held.push(buf.subarray(from, to))
    }
    if (!ended) {
      slot.begun = !slot.muted && this.#first === slot
      return
    }
    slot.finished = true
    if (this.#first === slot) this.#advance()
  }

  /** A reply that is known already. */
  answer(bytes: Buffer): void {
    if (this.#captured !== null) {
      this.#captured.push(bytes)
      return
    }
    if (this.muted) return
    if (this.#first === null) {
      this.#sink.write(bytes, 0, bytes.length)
      return
    }
    const slot = new ReplySlot()
    this.push(slot)
    this.deliver(slot, bytes, 0, bytes.length, true)
  }

  /** What is answered within `run`, which only answers at once: for a reply that becomes part of another one. */
  capture(run: () => void): Buffer {
    this.#captured = []
    try {
      run()
      return Buffer.concat(this.#captured)
    } finally {
      this.#captured = null
    }
  }

  /** Bytes that are no reply: a push. Out at once, but never inside a reply, whatever is muted. */
  interject(bytes: Buffer): void {
    const first = this.#first
    if (first === null || !first.begun) {
      this.#sink.write(bytes, 0, bytes.length)
      return
    }
    this.pushBytes += bytes.length
    // Behind those that wait there already.
    if (first.next instanceof PushSlot) {
      first.next.held?.push(bytes)
      return
    }
    const behind = new PushSlot(bytes)
    behind.next = first.next
    first.next = behind
    if (this.#last === first) this.#last = behind
    this.length++
  }

  /** Bytes that are no reply, behind everything that is owed now. */
  follow(bytes: Buffer): void {
    if (this.#last === null) {
      this.#sink.write(bytes, 0, bytes.length)
      return
    }
    this.#last.next = new PushSlot(bytes)
    this.#last = this.#last.next
    this.length++
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
        slot.begun = true
        if (slot instanceof PushSlot) this.pushBytes = 0
      }
    }
    if (slot !== null) return
    this.#last = null
    this.#sink.drained()
  }
}
