/** Names by prefix: the longest one that fits is put in place of by another, in one step. */
import type { RenameRule } from './copy-rules.ts'

interface Prefix {
  readonly from: Buffer
  readonly to: Buffer
}

export class KeyRename {
  /** The longest first. */
  readonly #prefixes: readonly Prefix[]

  /** Two rules of the same `from` are a mistake that the schema finds. */
  constructor(rules: readonly RenameRule[]) {
    this.#prefixes = rules
      .map(({ from, to }) => ({ from: Buffer.from(from), to: Buffer.from(to) }))
      .sort((one, other) => other.from.length - one.from.length)
  }

  get isNone(): boolean {
    return this.#prefixes.length === 0
  }

  /** What the key is called on the target; the same Buffer where nothing fits. */
  nameOf(key: Buffer): Buffer {
    const prefix = this.#prefixes.find(({ from }) => startsWith(key, from))
    return prefix === undefined ? key : Buffer.concat([prefix.to, key.subarray(prefix.from.length)])
  }

  /** The other names of the source that would arrive under the same one: where one of them exists as well, neither may be copied. */
  rivalsOf(key: Buffer): Buffer[] {
    if (this.isNone) return []
    const place = this.nameOf(key)
    const origins = this.#prefixes
      .filter(({ to }) => startsWith(place, to))
      .map(({ from, to }) => Buffer.concat([from, place.subarray(to.length)]))
    const seen = [key]
    for (const origin of [place, ...origins]) {
      if (this.nameOf(origin).equals(place) && !seen.some((name) => name.equals(origin))) seen.push(origin)
    }
    return seen.slice(1)
  }
}

const startsWith = (key: Buffer, prefix: Buffer): boolean =>
  key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
