/**
 * A request that is too large to be copied together: its pieces as they came, and where each argument lies in the whole.
 * Fed with consecutive chunks until it is complete; every byte is handed over once and none is copied.
 */
import { printable, type RequestLimits } from './request-scanner.ts'

const Expect = { count: 0, dollar: 1, length: 2, body: 3, tail: 4 } as const

export class LargeFrame {
  readonly pieces: Buffer[] = []
  /** Total length so far, bytes. */
  length = 0
  problem = ''
  /** Where each piece begins in the whole: an argument is found by halving, not by walking over all pieces. */
  #pieceStarts: number[] = []
  #starts: number[] = []
  #lengths: number[] = []
  #limits: RequestLimits
  #expect: number = Expect.count
  #number = 0
  #argsLeft = 0
  #left = 0
  #line = ''

  constructor(limits: RequestLimits) {
    this.#limits = limits
  }

  get argc(): number {
    return this.#starts.length
  }

  /** Takes what belongs to this frame from [from, end) and returns where it stopped; `complete` tells whether the frame ended there. */
  feed(chunk: Buffer, from: number, end: number): number {
    let p = from
    while (p < end && !this.complete && this.problem === '') {
      if (this.#expect === Expect.body) {
        const step = Math.min(this.#left, end - p)
        p += step
        this.#left -= step
        if (this.#left === 0) this.#begin(Expect.tail, 2)
      } else {
        this.#byte(chunk[p] as number, this.length + p + 1 - from)
        p++
      }
    }
    if (p > from) {
      this.pieces.push(chunk.subarray(from, p))
      this.#pieceStarts.push(this.length)
    }
    this.length += p - from
    return p
  }

  complete = false

  /** The bytes of one argument; copies only where it lies across pieces. */
  argument(index: number): Buffer {
    const parts = this.argumentPieces(index)
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  /** The bytes of one argument as they came, never copied. */
  argumentPieces(index: number): Buffer[] {
    const start = this.#starts[index] as number
    return this.#slices(start, start + (this.#lengths[index] as number))
  }

  argumentLength(index: number): number {
    return this.#lengths[index] as number
  }

  #slices(start: number, end: number): Buffer[] {
    const parts: Buffer[] = []
    for (let i = this.#pieceAt(start); i < this.pieces.length; i++) {
      const piece = this.pieces[i] as Buffer
      const at = this.#pieceStarts[i] as number
      if (at >= end) break
      parts.push(piece.subarray(Math.max(start - at, 0), Math.min(end - at, piece.length)))
    }
    return parts
  }

  /** The last piece that does not begin behind `offset`. */
  #pieceAt(offset: number): number {
    let low = 0
    let high = this.#pieceStarts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#pieceStarts[middle] as number) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  #begin(expect: number, left: number): void {
    this.#expect = expect
    this.#left = left
    this.#line = ''
  }

  #byte(byte: number, offsetAfter: number): void {
    switch (this.#expect) {
      case Expect.count:
        if (this.#digits(byte, 42, this.#limits.argumentsMax)) {
          this.#argsLeft = this.#number
          this.#begin(Expect.dollar, 0)
        }
        return
      case Expect.dollar:
        if (byte !== 36) this.problem = `Protocol error: expected '$', got '${printable(byte)}'`
        else this.#begin(Expect.length, 0)
        return
      case Expect.length:
        if (this.#digits(byte, -1, this.#limits.bulkBytes)) {
          this.#starts.push(offsetAfter)
          this.#lengths.push(this.#number)
          this.#begin(this.#number === 0 ? Expect.tail : Expect.body, this.#number === 0 ? 2 : this.#number)
        }
        return
      default:
        this.#tail(byte)
    }
  }

  #tail(byte: number): void {
    if (byte !== (this.#left === 2 ? 13 : 10)) this.problem = 'Protocol error: expected CRLF after a bulk string'
    this.#left--
    if (this.#left > 0) return
    this.#argsLeft--
    this.complete = this.#argsLeft === 0
    this.#begin(Expect.dollar, 0)
  }

  /** Collects one header line; true once it is whole and valid. */
  #digits(byte: number, marker: number, most: number): boolean {
    if (this.#line === '' && byte === marker) return false
    if (byte !== 10) {
      this.#line += String.fromCharCode(byte)
      if (this.#line.length > 11) this.problem = 'Protocol error: invalid bulk length'
      return false
    }
    if (!/^(0|[1-9]\d*)\r$/.test(this.#line) || Number.parseInt(this.#line, 10) > most) {
      this.problem = marker < 0 ? 'Protocol error: invalid bulk length' : 'Protocol error: invalid multibulk length'
      return false
    }
    this.#number = Number.parseInt(this.#line, 10)
    this.#line = ''
    return true
  }
}
