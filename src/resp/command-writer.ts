/** Commands one behind the other as the bytes that a server reads. Small arguments are copied together, large ones go out as they are. */
import { digitsOf, putBulk, putLength, putNumber } from './bytes-out.ts'

const initialBytes = 4_096
/** Of one argument that is copied. */
export const inlineBytesMax = 16_384
/** More than a length, a number and three line ends take. */
const overheadBytes = 64

interface ByteSink {
  write(buf: Buffer, start: number, end: number): void
}

export class CommandWriter {
  /** Begun so far: as many replies will come. */
  commands = 0
  readonly #pieces: Buffer[] = []
  #out: Buffer
  #from = 0
  #at = 0

  /** `expectedBytes`: what will come of it, for one allocation instead of several. */
  constructor(expectedBytes = initialBytes) {
    this.#out = Buffer.allocUnsafeSlow(Math.max(overheadBytes, expectedBytes))
  }

  /** Exactly `count` arguments have to follow; the first one is the command's name. */
  begin(count: number): this {
    this.commands++
    this.#reserve(overheadBytes)
    this.#out[this.#at] = 42
    const at = putNumber(this.#out, this.#at + 1, count)
    this.#out[at] = 13
    this.#out[at + 1] = 10
    this.#at = at + 2
    return this
  }

  add(bytes: Buffer): this {
    if (bytes.length > inlineBytesMax) {
      this.#reserve(overheadBytes)
      this.#at = putLength(this.#out, this.#at, bytes.length)
      this.#seal()
      this.#pieces.push(bytes)
      this.#out[this.#at++] = 13
      this.#out[this.#at++] = 10
    } else {
      this.#reserve(bytes.length + overheadBytes)
      this.#at = putBulk(this.#out, this.#at, bytes)
    }
    return this
  }

  /** One argument that lies in several pieces. */
  addPieces(pieces: readonly Buffer[]): this {
    if (pieces.length === 1) return this.add(pieces[0] as Buffer)
    this.#reserve(overheadBytes)
    this.#at = putLength(
      this.#out,
      this.#at,
      pieces.reduce((sum, { length }) => sum + length, 0),
    )
    this.#seal()
    this.#pieces.push(...pieces)
    this.#out[this.#at++] = 13
    this.#out[this.#at++] = 10
    return this
  }

  /** A whole number, not below 0. */
  number(value: number): this {
    this.#reserve(overheadBytes)
    this.#at = putLength(this.#out, this.#at, digitsOf(value))
    this.#at = putNumber(this.#out, this.#at, value)
    this.#out[this.#at++] = 13
    this.#out[this.#at++] = 10
    return this
  }

  command(...argv: readonly (Buffer | string | number)[]): this {
    this.begin(argv.length)
    for (const arg of argv) this.add(typeof arg === 'object' ? arg : Buffer.from(String(arg)))
    return this
  }

  /** Hands everything over. The writer must not be used after it. */
  writeTo(sink: ByteSink): void {
    this.#seal()
    for (const piece of this.#pieces) sink.write(piece, 0, piece.length)
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return
    this.#seal()
    this.#out = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#out.length))
    this.#from = 0
    this.#at = 0
  }

  #seal(): void {
    if (this.#at > this.#from) this.#pieces.push(this.#out.subarray(this.#from, this.#at))
    this.#from = this.#at
  }
}
