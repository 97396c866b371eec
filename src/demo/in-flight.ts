/** Keeps a few requests on their way at once and takes their answers in order. */
export class InFlight<Answer> {
  readonly #max: number
  readonly #take: (answer: Answer) => void
  readonly #waiting: Promise<Answer>[] = []

  constructor(max: number, take: (answer: Answer) => void) {
    this.#max = max
    this.#take = take
  }

  /** Waits for the oldest once `max` are on their way, and fails if that one did. */
  async add(request: Promise<Answer>): Promise<void> {
    request.catch(() => {}) // after one failure nobody looks at the others
    this.#waiting.push(request)
    if (this.#waiting.length >= this.#max) await this.#takeOldest()
  }

  async drain(): Promise<void> {
    while (this.#waiting.length > 0) await this.#takeOldest()
  }

  async #takeOldest(): Promise<void> {
    const oldest = this.#waiting.shift()
    if (oldest) this.#take(await oldest)
  }
}
