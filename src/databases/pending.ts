/** What is owed by the server, in the order in which it was asked: replies that go on as they are, counted, and those that do not. */
import type { ReplyEdit } from './carried.ts'

/** Pushes in place of a reply. */
export interface Awaited {
  readonly names: readonly string[] | null
  confirmed: number
}

export interface Owed {
  /** How many replies in a row; always 1 but for those that go on as they are. */
  count: number
  readonly edit: ReplyEdit | null
  /** For nobody but whoever asked. */
  readonly taken: ((reply: Buffer) => void) | null
  readonly awaited: Awaited | null
}

const compactAt = 1_024

/** Bounded by what the lane above has in flight. */
export class Pending {
  #owed: Owed[] = []
  #head = 0

  get first(): Owed | undefined {
    return this.#owed[this.#head]
  }

  /** Some replies that go on as they are. */
  plain(count: number): void {
    const last = this.#owed.length > this.#head ? this.#owed[this.#owed.length - 1] : undefined
    if (last !== undefined && last.edit === null && last.taken === null && last.awaited === null) last.count += count
    else this.#owed.push({ count, edit: null, taken: null, awaited: null })
  }

  edited(edit: ReplyEdit): void {
    this.#owed.push({ count: 1, edit, taken: null, awaited: null })
  }

  taken(taken: (reply: Buffer) => void): void {
    this.#owed.push({ count: 1, edit: null, taken, awaited: null })
  }

  subscribed(names: readonly string[] | null): void {
    this.#owed.push({ count: 1, edit: null, taken: null, awaited: { names, confirmed: 0 } })
  }

  /** One reply of the first is in. */
  shift(): void {
    const { first } = this
    if (first === undefined || --first.count > 0) return
    this.#head++
    if (this.#head < compactAt || this.#head * 2 < this.#owed.length) return
    this.#owed = this.#owed.slice(this.#head)
    this.#head = 0
  }
}
