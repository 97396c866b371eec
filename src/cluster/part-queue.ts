/** Parts that wait, in the order they came, and how many bytes they are: asked for with every command, so it is not added up then. */
import type { Part } from './part.ts'

export class PartQueue {
  bytes = 0
  #parts: Part[] = []

  get empty(): boolean {
    return this.#parts.length === 0
  }

  push(part: Part): void {
    this.#parts.push(part)
    this.bytes += part.end - part.start
  }

  /** They are their taker's. */
  takeAll(): Part[] {
    const parts = this.#parts
    this.#parts = []
    this.bytes = 0
    return parts
  }
}
