/**
 * Finds where each reply of a server ends, RESP2 and RESP3, across chunks and without keeping any of them: the bytes belong to the
 * caller, who forwards them as they came. Attributes belong to the reply they precede; pushes are told apart by `kind`.
 */

const LF = 10
const CR = 13
const MINUS = 45
export const ReplyKind = {
  simple: 43,
  error: 45,
  bulkError: 33,
  push: 62,
  array: 42,
  nullValue: 95,
  bulk: 36,
  integer: 58,
} as const
const depthMax = 128
/** What the counters can hold. */
const countMax = 2 ** 31 - 1
const digitsMax = 15
/** In place of the number of digits: the CR is there, the LF is not yet. */
const lengthEnded = 100

/** A server that does not speak RESP. The connection cannot be used any more. */
export class ReplyProblem extends Error {}

export class ReplyScanner {
  /** The type byte of the reply that is being read, or was read last. */
  kind = 0
  /** Whether the last `scan` ended exactly at the end of a top-level reply. */
  done = false
  /** Bytes of a bulk string, with its CRLF, that are still to come. */
  #skip = 0
  #type = 0
  #number = 0
  #negative = false
  #digits = 0
  #depth = 0
  #left = new Int32Array(depthMax)
  #attribute = new Uint8Array(depthMax)
  #started = false

  /** True between the first and the last byte of a reply. */
  get midReply(): boolean {
    return this.#started
  }

  /** Reads one top-level reply from [position, end); returns where it stopped. Throws ReplyProblem. */
  scan(chunk: Buffer, from: number, end: number): number {
    let position = from
    this.done = false
    while (position < end) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, end - position)
        position += step
        this.#skip -= step
        if (this.#skip > 0) return position
        if (this.#elementDone()) return position
        continue
      }
      if (this.#type === 0) this.#begin(chunk[position++] as number)
      position = this.#line(chunk, position, end)
      if (this.done) return position
    }
    return position
  }

  #begin(type: number): void {
    this.#type = type
    this.#number = 0
    this.#negative = false
    this.#digits = 0
    if (this.#depth === 0) {
      this.#started = true
      this.kind = type
    }
  }

  /** The rest of a header line; sets `done` where that ends the reply. */
  #line(chunk: Buffer, from: number, end: number): number {
    let p = from
    switch (this.#type) {
      case 43: // +
      case 45: // -
      case 58: // :
      case 95: // _
      case 35: // #
      case 44: // ,
      case 40: // (
        while (p < end && chunk[p] !== LF) p++
        if (p >= end) return p
        this.#type = 0
        this.#elementDone()
        return p + 1
      case 36: // $
      case 33: // !
      case 61: // =
      case 42: // *
      case 126: // ~
      case 62: // >
      case 37: // %
      case 124: // |
        return this.#sized(chunk, p, end)
      default:
        throw new ReplyProblem(`the server sent a reply of unknown type 0x${this.#type.toString(16)}`)
    }
  }

  /** A length, read strictly: whatever is misread here would give every later reply to the wrong client. */
  #sized(chunk: Buffer, from: number, end: number): number {
    let p = from
    while (p < end) {
      const byte = chunk[p++] as number
      if (byte >= 48 && byte <= 57 && this.#digits < digitsMax) {
        this.#number = this.#number * 10 + byte - 48
        this.#digits++
      } else if (byte === CR && this.#digits > 0 && this.#digits !== lengthEnded) this.#digits = lengthEnded
      else if (byte === LF && this.#digits === lengthEnded) {
        this.#header()
        return p
      } else if (byte === MINUS && this.#digits === 0 && !this.#negative) this.#negative = true
      else throw new ReplyProblem('the server sent a length that is no number')
    }
    return p
  }

  #header(): void {
    const type = this.#type
    this.#type = 0
    if (this.#negative && this.#number !== 1) throw new ReplyProblem('the server sent a length below zero')
    if (type === 36 || type === 33 || type === 61) {
      if (this.#negative) this.#elementDone()
      else this.#skip = this.#number + 2
      return
    }
    const count = type === 37 || type === 124 ? this.#number * 2 : this.#number
    if (type === 124) {
      if (count > 0) this.#push(count, 1)
    } else if (this.#negative || count === 0) this.#elementDone()
    else this.#push(count, 0)
  }

  #push(count: number, attribute: number): void {
    if (this.#depth >= depthMax) throw new ReplyProblem('the server sent a reply nested too deep')
    if (count > countMax) throw new ReplyProblem('the server sent a reply of too many elements')
    this.#left[this.#depth] = count
    this.#attribute[this.#depth] = attribute
    this.#depth++
  }

  /** Closes what the element ended; true where that was the whole reply. */
  #elementDone(): boolean {
    while (this.#depth > 0) {
      const top = this.#depth - 1
      const left = (this.#left[top] as number) - 1
      this.#left[top] = left
      if (left > 0) return false
      this.#depth = top
      if (this.#attribute[top] === 1) return false
    }
    this.#started = false
    this.done = true
    return true
  }
}
