/** Which keys a copy takes. Names are asked for first: they cost no question to a server. */
import type { FilterRules, SkipReason } from './copy-rules.ts'
import { compileGlob } from './glob.ts'

/** What the server said of a key; what was not asked for does not matter. */
export interface KeyFacts {
  /** As TYPE tells it. */
  readonly type: string
  /** By MEMORY USAGE. */
  readonly sizeBytes: number
  /** By PTTL: -1 = never expires. */
  readonly ttlMs: number
}

export class KeyFilter {
  /** What has to be asked before `byFacts`. */
  readonly asks: { readonly type: boolean; readonly sizeBytes: boolean; readonly ttlMs: boolean }
  readonly #rules: FilterRules
  readonly #include: readonly RegExp[]
  readonly #exclude: readonly RegExp[]
  readonly #types: ReadonlySet<string>
  readonly #databases: ReadonlySet<number>

  constructor(rules: FilterRules) {
    this.#rules = rules
    this.#include = rules.include.map(compileGlob)
    this.#exclude = rules.exclude.map(compileGlob)
    this.#types = new Set(rules.types)
    this.#databases = new Set(rules.databases)
    this.asks = {
      type: this.#types.size > 0,
      sizeBytes: rules.sizeBytesMin > 0 || rules.sizeBytesMax > 0,
      ttlMs: rules.ttlMsMin > 0 || rules.ttlMsMax > 0 || rules.expiry !== 'any',
    }
  }

  get asksFacts(): boolean {
    return this.asks.type || this.asks.sizeBytes || this.asks.ttlMs
  }

  takesDatabase(db: number): boolean {
    return this.#databases.size === 0 || this.#databases.has(db)
  }

  /** By which rule the name is not taken, or null. */
  byName(db: number, key: Buffer): SkipReason | null {
    if (!this.takesDatabase(db)) return 'database'
    if (this.#include.length === 0 && this.#exclude.length === 0) return null
    const name = key.toString('latin1')
    if (this.#include.length > 0 && !this.#include.some((pattern) => pattern.test(name))) return 'pattern'
    return this.#exclude.some((pattern) => pattern.test(name)) ? 'pattern' : null
  }

  byFacts({ type, sizeBytes, ttlMs }: KeyFacts): SkipReason | null {
    if (this.asks.type && !this.#types.has(type)) return 'type'
    const { sizeBytesMin, sizeBytesMax, ttlMsMin, ttlMsMax, expiry } = this.#rules
    if (this.asks.sizeBytes && (sizeBytes < sizeBytesMin || isAbove(sizeBytes, sizeBytesMax))) return 'size'
    if (!this.asks.ttlMs) return null
    if (ttlMs < 0) return expiry === 'with' ? 'ttl' : null
    return expiry === 'without' || ttlMs < ttlMsMin || isAbove(ttlMs, ttlMsMax) ? 'ttl' : null
  }
}

const isAbove = (value: number, most: number): boolean => most > 0 && value > most
