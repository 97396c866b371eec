/** The keys that differ, each once, counted by kind as they come and go. */
import { FerryError } from '../errors.ts'
import type { Finding, FindingKind, LocatedFinding } from './verify-finding.ts'

/** Beyond it a copy is called for, not a comparison; keeps the list of what to look at again in some hundred megabytes. */
const findingsMax = 1_000_000

export class Findings {
  readonly counts: Record<FindingKind, number> = { missing: 0, extra: 0, type: 0, value: 0, ttl: 0 }
  /** Keys by database and bytes; latin1 keeps each byte a character. */
  readonly #byKey = new Map<string, LocatedFinding>()
  readonly #most: number
  #unsaved: LocatedFinding[] | null = null

  constructor(most = findingsMax) {
    this.#most = most
  }

  get size(): number {
    return this.#byKey.size
  }

  values(): IterableIterator<LocatedFinding> {
    return this.#byKey.values()
  }

  /** @throws FerryError `limit` where more differ than can be held. */
  keep(db: number, found: readonly Finding[]): void {
    // A slice would keep the whole chunk alive that it was received in.
    for (const finding of found) this.restore({ ...finding, key: Buffer.from(finding.key), db })
    if (this.size > this.#most) throw new FerryError('limit', `more than ${this.#most} keys differ: copy first, then verify`)
  }

  restore(finding: LocatedFinding): void {
    const name = `${finding.db}:${finding.key.toString('latin1')}`
    const before = this.#byKey.get(name)
    if (before !== undefined) this.counts[before.kind]--
    this.counts[finding.kind]++
    this.#byKey.set(name, finding)
    this.#unsaved?.push(finding)
  }

  /** From now on what is added is kept for `takeUnsaved`. */
  startSaving(): void {
    this.#unsaved = []
  }

  takeUnsaved(): LocatedFinding[] {
    return this.#unsaved?.splice(0) ?? []
  }
}
