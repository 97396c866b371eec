/** Replies of protocol 2 read one after the other by whoever knows what comes next: no value is made that is not asked for. */
import { decodeReply, type Reply } from './decode.ts'

const minus = 45
const integerType = 58
const bulkType = 36
const arrayType = 42

export class ReplyCursor {
  readonly bytes: Buffer
  at = 0

  /** The replies must lie whole in `bytes`. */
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** The words of the error that stands here, which is then read; null where something else does. */
  error(): string | null {
    if (this.bytes[this.at] !== minus) return null
    const from = this.at + 1
    this.at = this.#lineEnd()
    return this.bytes.toString('utf8', from, this.at - 2)
  }

  /** What stands in a reply of one line. */
  line(): string {
    const from = this.at + 1
    this.at = this.#lineEnd()
    return this.bytes.toString('latin1', from, this.at - 2)
  }

  /** The number of an integer, or of how much follows: -1 for nil. */
  integer(): number {
    const { bytes } = this
    let at = this.at + 1
    const negative = bytes[at] === minus
    if (negative) at++
    let value = 0
    for (let byte = bytes[at] as number; byte !== 13; byte = bytes[++at] as number) value = value * 10 + (byte - 48)
    this.at = at + 2
    return negative ? -value : value
  }

  get isInteger(): boolean {
    return this.bytes[this.at] === integerType
  }

  get isArray(): boolean {
    return this.bytes[this.at] === arrayType
  }

  /** A slice; null for nil. */
  bulk(): Buffer | null {
    const length = this.integer()
    if (length < 0) return null
    const from = this.at
    this.at = from + length + 2
    return this.bytes.subarray(from, from + length)
  }

  /** An array of bulk strings; nil is empty. */
  bulks(): Buffer[] {
    const count = this.integer()
    const all: Buffer[] = []
    for (let i = 0; i < count; i++) all.push(this.bulk() ?? Buffer.alloc(0))
    return all
  }

  /** Any reply, decoded. */
  reply(): Reply {
    const { value, next } = decodeReply(this.bytes, this.at)
    this.at = next
    return value
  }

  /** Reads a whole reply for the first error in it: EXEC's are inside of its array. */
  firstError(): string | null {
    const type = this.bytes[this.at]
    if (type === minus) return this.error()
    if (type === bulkType) {
      this.bulk()
      return null
    }
    if (type !== arrayType) {
      this.at = this.#lineEnd()
      return null
    }
    let first: string | null = null
    for (let left = this.integer(); left > 0; left--) {
      const error = this.firstError()
      first ??= error
    }
    return first
  }

  #lineEnd(): number {
    return this.bytes.indexOf(10, this.at) + 1
  }
}
