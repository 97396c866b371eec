/** How many batches are being copied, and who waits for some of them to end. */
export class BatchesUnderWay {
  #count = 0
  #waiting: (() => void)[] = []

  get count(): number {
    return this.#count
  }

  begin(): void {
    this.#count++
  }

  end(): void {
    this.#count--
    for (const go of this.#waiting.splice(0)) go()
  }

  async untilAtMost(most: number): Promise<void> {
    // A stopped run may still wait here beside the new one.
    while (this.#count > most) await this.untilOneEnds()
  }

  untilOneEnds(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
