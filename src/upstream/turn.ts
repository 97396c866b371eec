/**
 * One turn of the event loop. Whatever wants to write to its socket is collected while sockets are read and flushed once, when the
 * reading is over: one write per socket and turn, whoever caused it.
 */
export interface Flushable {
  flush(): void
}

export class Turn {
  /** Milliseconds of the monotonic clock, read once per chunk by whoever reads it; never goes back. */
  nowMs = performance.now()
  /** Told how long each turn that wrote something took, ms, from the first chunk read to the last byte handed over. */
  onTurn: (tookMs: number) => void = () => undefined
  /** Flushed before everything that is due, in every turn that flushes anything. */
  first: Flushable | null = null
  #beganMs = 0
  #due: Flushable[] = []
  #spare: Flushable[] = []
  #scheduled = false
  #run = (): void => this.#flush()

  /** The caller sees to it that an item is scheduled once per turn. */
  schedule(item: Flushable): void {
    this.#due.push(item)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#beganMs = this.nowMs
    setImmediate(this.#run)
  }

  tick(): number {
    this.nowMs = performance.now()
    return this.nowMs
  }

  /** What a flush makes due leaves in the same turn: a lane to several servers writes to theirs. */
  #flush(): void {
    this.first?.flush()
    while (this.#due.length > 0) {
      const due = this.#due
      this.#due = this.#spare
      for (let i = 0; i < due.length; i++) (due[i] as Flushable).flush()
      due.length = 0
      this.#spare = due
    }
    this.#scheduled = false
    this.onTurn(performance.now() - this.#beganMs)
  }
}
