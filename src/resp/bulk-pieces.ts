/** Bulk strings cut out of replies as they came in, chunk by chunk: long ones are never put together, which would cost another copy of each. */

/** What stands for one reply: a bulk string as its parts in order, null for nil, or the words of an error. */
export type BulkReply = readonly Buffer[] | string | null

const lineFeed = 10
const minus = 45

/** @param chunks whole replies of protocol 2, each a bulk string or an error. @throws Error for any other, and where they are not whole. */
export function* bulkReplies(chunks: readonly Buffer[]): Generator<BulkReply> {
  const reader = new Reader(chunks)
  while (!reader.atEnd) {
    const line = reader.line()
    if (line[0] === minus) yield line.toString('utf8', 1, line.length - 2)
    else {
      const length = line[0] === 36 ? Number(line.toString('latin1', 1, line.length - 2)) : Number.NaN
      if (Number.isNaN(length)) throw new Error('a reply that is no bulk string')
      yield length < 0 ? null : reader.bulk(length)
    }
  }
}

class Reader {
  readonly #chunks: readonly Buffer[]
  #chunk = 0
  #at = 0

  constructor(chunks: readonly Buffer[]) {
    this.#chunks = chunks.filter(({ length }) => length > 0)
  }

  get atEnd(): boolean {
    return this.#chunk >= this.#chunks.length
  }

  /** With its end. */
  line(): Buffer {
    const parts: Buffer[] = []
    for (;;) {
      const end = this.#current.indexOf(lineFeed, this.#at)
      if (end >= 0) {
        parts.push(this.#take(end + 1 - this.#at))
        return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
      }
      parts.push(this.#take(this.#current.length - this.#at))
    }
  }

  /** And what ends it. */
  bulk(length: number): Buffer[] {
    const parts: Buffer[] = []
    for (let left = length; left > 0; ) {
      const part = this.#take(Math.min(left, this.#current.length - this.#at))
      parts.push(part)
      left -= part.length
    }
    for (let left = 2; left > 0; ) left -= this.#take(Math.min(left, this.#current.length - this.#at)).length
    return parts
  }

  get #current(): Buffer {
    const chunk = this.#chunks[this.#chunk]
    if (chunk === undefined) throw new Error('replies that end in the middle')
    return chunk
  }

  #take(bytes: number): Buffer {
    const chunk = this.#current
    const part = chunk.subarray(this.#at, this.#at + bytes)
    this.#at += bytes
    if (this.#at === chunk.length) {
      this.#chunk++
      this.#at = 0
    }
    return part
  }
}
