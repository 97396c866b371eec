/**
 * One client's incoming bytes, as a sequence of frames. Owns what is left over between two chunks.
 *
 * The normal case is a chunk of whole frames, looked at in place. The unfinished frame at a chunk's end is moved once into a
 * buffer of its own that grows by doubling, so the cost stays linear however the bytes trickle in; a frame with a large value is
 * kept as the chunks it came in (LargeFrame).
 */
import { encodeCommand } from './encode.ts'
import { splitInline } from './inline.ts'
import { LargeFrame } from './large-frame.ts'
import { Found, type RequestLimits, RequestScanner } from './request-scanner.ts'

const LF = 10
const carryBytesMin = 4096
const noBytes = Buffer.alloc(0)

interface Remainder {
  buf: Buffer
  position: number
  end: number
  capacity: number
}

export class RequestReader {
  /** The frame last found: its buffer, bounds and arguments. */
  readonly scanner: RequestScanner
  /** The frame last found, where it was a large one. */
  large: LargeFrame | null = null
  #limits: RequestLimits
  #queryBufferBytes: number
  /** How much of `scanner.buf` may be written to, where it is our own; 0 while it is the chunk itself. */
  #capacity = 0
  #growing: LargeFrame | null = null
  /** What follows an inline command, while the scanner looks at its encoded form. */
  #rest: Remainder | null = null
  /** What follows a large frame in the chunk that ended it. */
  #afterLarge: { buf: Buffer; position: number; end: number } | null = null

  constructor(limits: RequestLimits, queryBufferBytes: number) {
    this.#limits = limits
    this.#queryBufferBytes = queryBufferBytes
    this.scanner = new RequestScanner(limits)
  }

  get problem(): string {
    return this.scanner.problem
  }

  /** Bytes that wait for the rest of their frame. */
  get pendingBytes(): number {
    return this.#growing === null ? this.scanner.end - this.scanner.frameStart : this.#growing.length
  }

  /** Hands over what came next. Call only after `next` has said `more`. */
  push(buf: Buffer, start = 0, end = buf.length): void {
    if (this.#growing !== null) {
      const position = this.#growing.feed(buf, start, end)
      this.#afterLarge = { buf, position, end }
      return
    }
    const scanner = this.scanner
    if (scanner.end === scanner.frameStart) {
      scanner.reset(buf, start, end)
      this.#capacity = 0
      return
    }
    if (scanner.end + end - start > this.#capacity) this.#makeRoom(end - start)
    scanner.end += buf.copy(scanner.buf, scanner.end, start, end)
  }

  /** Nothing more will be looked at for now: the buffer that others share is not kept for an unfinished frame, or for none. */
  letGo(): void {
    const { scanner } = this
    if (this.#growing !== null || this.#rest !== null || this.#capacity > 0) return
    if (scanner.end === scanner.frameStart) scanner.reset(noBytes, 0, 0)
    else this.#makeRoom(0)
  }

  /** Moves the unfinished frame into a buffer of its own that has room for `more` bytes. */
  #makeRoom(more: number): void {
    const { scanner } = this
    const kept = scanner.end - scanner.frameStart
    const roomy = Buffer.allocUnsafeSlow(Math.max(carryBytesMin, 2 * (kept + more)))
    scanner.buf.copy(roomy, 0, scanner.frameStart, scanner.end)
    scanner.moved(roomy, kept)
    this.#capacity = roomy.length
  }

  /** Finds the next frame: `frame` (see `scanner`), `large` (see `large`), `more` or `malformed` (see `problem`). */
  next(): number {
    this.large = null
    if (this.#growing !== null) {
      const found = this.#grown(this.#growing)
      if (found !== Found.nothing) return found
    }
    if (this.#rest !== null) this.#restore(this.#rest)
    while (true) {
      const found = this.scanner.next()
      if (found === Found.frame || found === Found.malformed) return found
      if (found === Found.more) return this.#bounded()
      if (found === Found.large) return this.#startLarge()
      if (found === Found.inline) {
        const line = this.#inline()
        if (line !== Found.nothing) return line
      }
    }
  }

  #bounded(): number {
    if (this.pendingBytes <= this.#queryBufferBytes) return Found.more
    this.scanner.problem = 'Protocol error: query buffer limit reached'
    return Found.malformed
  }

  #startLarge(): number {
    const { buf, frameStart, end } = this.scanner
    this.#growing = new LargeFrame(this.#limits)
    this.#growing.feed(buf, frameStart, end)
    this.scanner.reset(noBytes, 0, 0)
    return this.#growing.problem === '' ? Found.more : this.#fail(this.#growing.problem)
  }

  #grown(growing: LargeFrame): number {
    if (growing.problem !== '') return this.#fail(growing.problem)
    if (!growing.complete) {
      return growing.length > this.#queryBufferBytes ? this.#fail('Protocol error: query buffer limit reached') : Found.more
    }
    if (this.#afterLarge !== null) this.scanner.reset(this.#afterLarge.buf, this.#afterLarge.position, this.#afterLarge.end)
    this.#capacity = 0
    this.#afterLarge = null
    this.#growing = null
    this.large = growing
    return Found.large
  }

  #fail(problem: string): number {
    this.scanner.problem = problem
    return Found.malformed
  }

  #inline(): number {
    const { buf, position, end } = this.scanner
    const newline = buf.indexOf(LF, position)
    if (newline < 0 || newline >= end) {
      if (end - position > this.#limits.inlineBytes) return this.#fail('Protocol error: too big inline request')
      return Found.more
    }
    if (newline - position > this.#limits.inlineBytes) return this.#fail('Protocol error: too big inline request')
    const textEnd = newline > position && buf[newline - 1] === 13 ? newline - 1 : newline
    const argv = splitInline(buf.subarray(position, textEnd))
    if (argv === null) return this.#fail('Protocol error: unbalanced quotes in request')
    if (argv.length === 0) {
      this.scanner.reset(buf, newline + 1, end)
      return Found.nothing
    }
    this.#rest = { buf, position: newline + 1, end, capacity: this.#capacity }
    const frame = encodeCommand(argv)
    this.scanner.reset(frame, 0, frame.length)
    return this.scanner.next()
  }

  #restore(rest: Remainder): void {
    this.scanner.reset(rest.buf, rest.position, rest.end)
    this.#capacity = rest.capacity
    this.#rest = null
  }
}
