/**
 * A stream read from its oldest id to its newest in stretches: pages of its entries, and of what is pending in each of its groups, cut at an id
 * that all of them reach. So no more than one page of each is ever here, however long the stream is and however much of it is pending. Pure.
 */

interface Row {
  readonly id: string
}

/** What comes of a stretch. `pending` by group; `standIns` are pending, and no entries (see streams.ts), in the order of their ids. */
export interface Stretch<E extends Row, P extends Row> {
  readonly entries: readonly E[]
  readonly pending: readonly (readonly P[])[]
  readonly standIns: readonly string[]
}

/** Rows in the order of their ids, a page at a time. */
export class Strand<T extends Row> {
  #rows: T[] = []
  #ended: boolean
  #start: string
  /** Of what it gives, as XRANGE and XPENDING take it. */
  readonly end: string

  /** `empty`: there is nothing to ask for. `start` and `end` as XRANGE and XPENDING take them. */
  constructor(empty = false, start = '-', end = '+') {
    this.#ended = empty
    this.#start = start
    this.end = end
  }

  /** Whether another page is to be read before the next cut. */
  get wants(): boolean {
    return this.#rows.length === 0 && !this.#ended
  }

  /** Where that page begins, as XRANGE and XPENDING take it. */
  get start(): string {
    return this.#start
  }

  get isDone(): boolean {
    return this.#ended && this.#rows.length === 0
  }

  /** How far it is known, as `orderOf` an id; null = to its end. */
  get reach(): string | null {
    return this.#ended ? null : orderOf((this.#rows.at(-1) as T).id)
  }

  /** The page that was asked for; one with less than `asked` rows is the last. */
  add(page: readonly T[], asked: number): void {
    this.#rows.push(...page)
    this.#ended = page.length < asked
    if (page.length > 0) this.#start = `(${(page.at(-1) as T).id}`
  }

  takeTo(horizon: string | null): T[] {
    if (horizon === null) return this.#rows.splice(0)
    let [from, below] = [0, this.#rows.length]
    while (from < below) {
      const middle = (from + below) >> 1
      if (orderOf((this.#rows[middle] as T).id) <= horizon) from = middle + 1
      else below = middle
    }
    return this.#rows.splice(0, from)
  }
}

/** None of them `wants` anything. */
export function cut<E extends Row, P extends Row>(entries: Strand<E>, pending: readonly Strand<P>[]): Stretch<E, P> {
  let horizon = entries.reach
  for (const { reach } of pending) if (reach !== null && (horizon === null || reach < horizon)) horizon = reach
  const own = entries.takeTo(horizon)
  const waiting = pending.map((strand) => strand.takeTo(horizon))
  const ids = new Set(waiting.flatMap((rows) => rows.map(({ id }) => id)))
  for (const { id } of own) ids.delete(id)
  return { entries: own, pending: waiting, standIns: [...ids].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)) }
}

/** The entries, with an id alone where one of `standIns` belongs. */
export function withStandIns<E extends Row>(entries: readonly E[], standIns: readonly string[]): (E | string)[] {
  if (standIns.length === 0) return [...entries]
  const all: (E | string)[] = []
  let at = 0
  for (const entry of entries) {
    const order = orderOf(entry.id)
    while (at < standIns.length && orderOf(standIns[at] as string) < order) all.push(standIns[at++] as string)
    all.push(entry)
  }
  return [...all, ...standIns.slice(at)]
}

export const isOlder = (id: string, than: string): boolean => orderOf(id) < orderOf(than)

/** Ids by age, as text of equal length: they are two numbers of 64 bits. */
function orderOf(id: string): string {
  const dash = id.indexOf('-')
  return id.slice(0, dash).padStart(20, '0') + id.slice(dash + 1).padStart(20, '0')
}
