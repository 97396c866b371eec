/** The pages of a scan that are not finished, oldest first: a copy that was cut off goes on where the oldest began. */

export interface OpenPage {
  readonly db: number
  /** Where its scan goes on from to give it again. */
  readonly cursor: string
  /** Batches under way, and one more while it is still handed out. */
  left: number
}

export class OpenPages {
  #pages: OpenPage[] = []

  get count(): number {
    return this.#pages.length
  }

  get oldest(): OpenPage | undefined {
    return this.#pages[0]
  }

  begin(db: number, cursor: string): OpenPage {
    const page = { db, cursor, left: 1 }
    this.#pages.push(page)
    return page
  }

  /** Lets go of what is finished at the front, but for the last page. True: another one is the oldest now. */
  advance(): boolean {
    const before = this.oldest
    while (this.#pages.length > 1 && this.oldest?.left === 0) this.#pages.shift()
    return this.oldest !== before
  }

  clear(): void {
    this.#pages = []
  }
}
