/** Collects short replies whole, as latin1 text; null where the connection went first. */
import type { ReplyLane, Waiter } from './waiter.ts'

export class TextReplies implements Waiter {
  readonly sums = false
  readonly #told: (text: string | null) => void
  #text = ''

  constructor(told: (text: string | null) => void) {
    this.#told = told
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#text += chunk.toString('latin1', from, to)
    if (ended) this.#told(this.#text)
  }

  lost(): void {
    this.#told(null)
  }
}
