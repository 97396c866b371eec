/**
 * Finds where one client request ends inside a contiguous buffer, and where its arguments lie, without copying or decoding.
 * It stops at the end of the buffer and goes on from there when the buffer has grown: no byte is looked at twice.
 *
 * As strict as the strictest server: the bytes are forwarded as they came onto connections that all clients share, so a frame
 * that one server takes and another refuses would cost everybody their connection.
 */

export interface RequestLimits {
  readonly bulkBytes: number
  readonly argumentsMax: number
  readonly inlineBytes: number
}

/** What a scan found. `large`: the frame lacks so many bytes that they are better collected as they come, not copied together. */
export const Found = { frame: 0, more: 1, large: 2, inline: 3, nothing: 4, malformed: 5 } as const

const CR = 13
const LF = 10
const ASTERISK = 42
const DOLLAR = 36
const MINUS = 45
const ZERO = 48
const lengthDigitsMax = 10
/** A bulk that lacks more than this is collected piece by piece. One socket read is at most this long. */
const largeMissingBytes = 65_536
const offsetsKept = 8192

const INCOMPLETE = -1
const BAD = -2

export class RequestScanner {
  buf: Buffer = Buffer.alloc(0)
  /** Pairs (offset, length) of the arguments of the frame last found. */
  offsets = new Int32Array(256)
  argc = 0
  frameStart = 0
  /** Where the next unread byte is; after `frame` it is the end of the frame. */
  position = 0
  end = 0
  /** Redis' own words for what is wrong, after `malformed`. */
  problem = ''
  #limits: RequestLimits
  #argsLeft = -1
  #bulk = -1

  constructor(limits: RequestLimits) {
    this.#limits = limits
  }

  /** Starts on a new buffer at a frame's first byte. */
  reset(buf: Buffer, position: number, end: number): void {
    this.buf = buf
    this.position = position
    this.end = end
    this.frameStart = position
    this.#argsLeft = -1
    this.#bulk = -1
  }

  /** The unfinished frame was moved: it now begins at 0 of `buf`, which holds more of it. */
  moved(buf: Buffer, end: number): void {
    const shift = this.frameStart
    this.buf = buf
    this.end = end
    this.position -= shift
    this.frameStart = 0
    for (let i = 0; i < this.argc; i++) this.offsets[2 * i] = (this.offsets[2 * i] as number) - shift
  }

  next(): number {
    if (this.#argsLeft < 0) {
      this.frameStart = this.position
      this.argc = 0
      if (this.offsets.length > offsetsKept) this.offsets = new Int32Array(256)
      const found = this.#header()
      if (found !== Found.frame) return found
    }
    return this.#arguments()
  }

  #header(): number {
    const position = this.position
    if (position >= this.end) return Found.more
    if (this.buf[position] !== ASTERISK) return Found.inline
    if (position + 1 < this.end && this.buf[position + 1] === MINUS) return this.#negativeCount(position)
    const count = this.#length(position + 1)
    if (count === INCOMPLETE) return Found.more
    if (count === BAD || count > this.#limits.argumentsMax) return this.#malformed('invalid multibulk length')
    if (count === 0) return Found.nothing
    this.#argsLeft = count
    return Found.frame
  }

  /** `*-1` and the like are skipped without a reply, as servers do. */
  #negativeCount(position: number): number {
    const keep = this.position
    const count = this.#length(position + 2)
    if (count === INCOMPLETE) {
      this.position = keep
      return Found.more
    }
    return count === BAD || count === 0 ? this.#malformed('invalid multibulk length') : Found.nothing
  }

  #arguments(): number {
    const buf = this.buf
    const end = this.end
    let position = this.position
    let bulk = this.#bulk
    while (this.#argsLeft > 0) {
      if (bulk < 0) {
        if (position >= end) break
        if (buf[position] !== DOLLAR) return this.#malformed(`expected '$', got '${printable(buf[position] as number)}'`)
        bulk = this.#length(position + 1)
        if (bulk < 0) {
          if (bulk === BAD) return this.#malformed('invalid bulk length')
          break
        }
        if (bulk > this.#limits.bulkBytes) return this.#malformed('invalid bulk length')
        position = this.position
      }
      const after = position + bulk
      if (after + 2 > end) {
        this.position = position
        this.#bulk = bulk
        return after + 2 - end > largeMissingBytes ? Found.large : Found.more
      }
      if (buf[after] !== CR || buf[after + 1] !== LF) return this.#malformed('expected CRLF after a bulk string')
      this.#remember(position, bulk)
      position = after + 2
      bulk = -1
      this.#argsLeft--
    }
    this.position = position
    this.#bulk = -1
    if (this.#argsLeft > 0) return Found.more
    this.#argsLeft = -1
    return Found.frame
  }

  #remember(offset: number, length: number): void {
    const at = 2 * this.argc
    if (at >= this.offsets.length) {
      const wider = new Int32Array(this.offsets.length * 2)
      wider.set(this.offsets)
      this.offsets = wider
    }
    this.offsets[at] = offset
    this.offsets[at + 1] = length
    this.argc++
  }

  /** Reads `<digits>\r\n`; leaves `position` behind it. */
  #length(from: number): number {
    const buf = this.buf
    const end = this.end
    let p = from
    let value = 0
    let byte = 0
    while (p < end) {
      byte = buf[p] as number
      if (byte < ZERO || byte > 57) break
      value = value * 10 + byte - ZERO
      p++
    }
    const digits = p - from
    if (digits > lengthDigitsMax) return BAD
    if (p >= end) return INCOMPLETE
    if (byte !== CR || digits === 0 || (digits > 1 && buf[from] === ZERO)) return BAD
    if (p + 1 >= end) return INCOMPLETE
    if (buf[p + 1] !== LF) return BAD
    this.position = p + 2
    return value
  }

  #malformed(problem: string): number {
    this.problem = `Protocol error: ${problem}`
    return Found.malformed
  }
}

/** One byte as it may stand in an error: raw it could break the line, or be no UTF-8. */
export const printable = (byte: number): string => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '?')
