/**
 * A target that looks to the lane above as if it had the source's databases. Commands are changed on their way out and replies on their way
 * back; there are as many of both, in the same order. What takes several commands (counting or emptying a database that is a part of
 * another) holds back everything behind it until it is answered.
 *
 * Replies are followed from end to end, since it must be known which one is whose, but a chunk in which none is changed is handed on as it
 * came.
 */
import type { ArgView } from '../commands/arg-view.ts'
import { encodeCommand, encodeError } from '../resp/encode.ts'
import type { LargeFrame } from '../resp/large-frame.ts'
import { ReplyKind, ReplyScanner } from '../resp/reply-scanner.ts'
import { RequestReader } from '../resp/request-reader.ts'
import { Found } from '../resp/request-scanner.ts'
import type { DatabaseLayout } from '../routing/database-layout.ts'
import { isLostReply, type Several, type Wire } from '../upstream/wire.ts'
import type { Carried, Steps } from './carried.ts'
import { Pending } from './pending.ts'
import { isError } from './replies.ts'
import { spliced, splicedLarge, viewOf } from './splice.ts'
import { Translator } from './translator.ts'

/** Longer writes are kept as they are; shorter ones lie in a buffer that the writer uses again. */
const copiedBytesMax = 65_536
/** Pieces up to this length are copied together. */
const joinedBytesMax = 16_384
const anyLimits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 65_536 }
/** Sent in place of a command that is refused here: the server refuses it too, in its turn, and a block that holds it is not run. */
const refusedByAll = encodeCommand(['GET'])

export class DatabaseWire implements Wire {
  readonly translator: Translator
  readonly #take: (chunk: Buffer) => void
  readonly #reader = new RequestReader(anyLimits, Number.MAX_SAFE_INTEGER)
  readonly #scanner = new ReplyScanner()
  readonly #pending = new Pending()
  /** Of the reply or push that is changed, as far as it is there. */
  #pieces: Buffer[] = []
  #out: Buffer[] = []
  /** What came behind a command that takes several steps. Bounded by what the lane above may have in flight. */
  #held: Buffer[] = []
  #heldBytes = 0
  #holding = false
  #inner: Wire | null = null
  #closed = false
  #onError: (error: Error) => void = () => undefined

  constructor(layout: DatabaseLayout, take: (chunk: Buffer) => void) {
    this.translator = new Translator(layout)
    this.#take = take
  }

  /** What it writes to. Once, before anything else. */
  over(inner: Wire): this {
    this.#inner = inner
    return this
  }

  get several(): Several | undefined {
    return this.#wire.several
  }

  get writableLength(): number {
    return this.#wire.writableLength + this.#heldBytes
  }

  get bytesWritten(): number {
    return this.#wire.bytesWritten + this.#heldBytes
  }

  get #wire(): Wire {
    if (this.#inner === null) throw new Error('a wire that leads nowhere')
    return this.#inner
  }

  write(bytes: Buffer): void {
    if (this.#closed) return
    const own = bytes.length > copiedBytesMax ? bytes : Buffer.from(bytes)
    if (this.#holding) {
      this.#held.push(own)
      this.#heldBytes += own.length
      return
    }
    this.#reader.push(own)
    this.#readOn()
  }

  cork(): void {
    this.#wire.cork()
  }

  uncork(): void {
    this.#wire.uncork()
  }

  pause(): void {
    this.#wire.pause()
  }

  resume(): void {
    this.#wire.resume()
  }

  isPaused(): boolean {
    return this.#wire.isPaused()
  }

  on(event: 'error' | 'close', listener: (error: Error) => void): void {
    if (event === 'error') this.#onError = listener
    this.#wire.on(event as 'error', listener)
  }

  destroy(): void {
    this.#closed = true
    this.#wire.destroy()
  }

  /** What the server sent. */
  took(chunk: Buffer): void {
    const scanner = this.#scanner
    let from = 0
    let position = 0
    try {
      while (position < chunk.length && !this.#closed) {
        const start = position
        position = scanner.scan(chunk, position, chunk.length)
        if (!this.#changes()) {
          if (scanner.done && scanner.kind !== ReplyKind.push) this.#pending.shift()
          continue
        }
        if (start > from) this.#take(chunk.subarray(from, start))
        from = position
        this.#pieces.push(chunk.subarray(start, position))
        if (scanner.done) this.#whole()
      }
    } catch (error) {
      this.#broken(error as Error)
      return
    }
    if (from < chunk.length && !this.#closed) this.#take(from === 0 ? chunk : chunk.subarray(from))
  }

  /** Whether what is being read is anything but a reply that goes on as it is. */
  #changes(): boolean {
    const { kind } = this.#scanner
    if (kind === ReplyKind.push) return true
    let { first } = this.#pending
    // Its confirmations are in: what comes now belongs to the next.
    while (first?.awaited && (first.awaited.confirmed > 0 || (kind !== ReplyKind.error && kind !== ReplyKind.bulkError))) {
      this.#pending.shift()
      first = this.#pending.first
    }
    return first !== undefined && (first.edit !== null || first.taken !== null)
  }

  #whole(): void {
    const reply = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces)
    this.#pieces = []
    if (this.#scanner.kind === ReplyKind.push) {
      this.#pushed(reply)
      return
    }
    const { first } = this.#pending
    this.#pending.shift()
    if (first?.taken) first.taken(reply)
    else this.#take(first?.edit && !isLostReply(reply) ? first.edit(reply) : reply)
  }

  #pushed(push: Buffer): void {
    const { first } = this.#pending
    const awaited = first?.awaited
    const confirmed = this.translator.confirmation(push, awaited?.names?.[awaited.confirmed] ?? null)
    if (confirmed === null) {
      for (const own of this.translator.push(push)) this.#take(own)
      return
    }
    if (awaited && ++awaited.confirmed === awaited.names?.length) this.#pending.shift()
    this.#take(confirmed)
  }

  #readOn(): void {
    const reader = this.#reader
    while (!this.#holding && !this.#closed) {
      const found = reader.next()
      if (found === Found.frame) {
        const { scanner } = reader
        this.#command(scanner, scanner.frameStart, scanner.position)
      } else if (found === Found.large && reader.large !== null) this.#large(reader.large)
      else if (found === Found.more) {
        const next = this.#held.shift()
        if (next === undefined) break
        this.#heldBytes -= next.length
        reader.push(next)
      } else {
        this.#broken(new Error(`what was to be sent is no command: ${reader.problem}`))
        return
      }
    }
    this.#flush()
  }

  #command(args: ArgView, start: number, end: number): void {
    const carried = this.translator.command(args)
    if (carried.how === 'edited') {
      if (carried.edits.length === 0) this.#put(args.buf, start, end)
      else this.#out.push(...spliced(args, start, end, carried.edits))
      this.#owe(carried)
    } else this.#otherwise(carried, () => this.#command(args, start, end))
  }

  #large(frame: LargeFrame): void {
    const carried = this.translator.command(viewOf(frame))
    if (carried.how === 'edited') {
      this.#out.push(...(carried.edits.length === 0 ? frame.pieces : splicedLarge(frame, carried.edits)))
      this.#owe(carried)
    } else this.#otherwise(carried, () => this.#large(frame))
  }

  /** Commands that lie side by side go out as one piece. */
  #put(buf: Buffer, start: number, end: number): void {
    const last = this.#out[this.#out.length - 1]
    if (last !== undefined && last.buffer === buf.buffer && last.byteOffset + last.length === buf.byteOffset + start) {
      this.#out[this.#out.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + end - start)
    } else this.#out.push(buf.subarray(start, end))
  }

  #owe({ reply }: { readonly reply: ((whole: Buffer) => Buffer) | null }): void {
    if (reply === null) this.#pending.plain(1)
    else this.#pending.edited(reply)
  }

  #otherwise(carried: Exclude<Carried, { how: 'edited' }>, again: () => void): void {
    switch (carried.how) {
      case 'instead':
        this.#out.push(carried.frame)
        this.#owe(carried)
        return
      case 'refused': {
        const error = encodeError(carried.error)
        this.#out.push(refusedByAll)
        this.#pending.edited(() => error)
        return
      }
      case 'subscribed':
        this.#out.push(carried.frame)
        this.#pending.subscribed(carried.names)
        return
      case 'first':
        this.#holding = true
        this.#ask(carried.frame, (reply) => {
          if (isError(reply)) {
            this.#broken(new Error(`the target has no such database: ${reply.toString('latin1').trim().slice(1)}`))
            return
          }
          this.#holding = false
          again()
          this.#readOn()
        })
        return
      case 'steps':
        this.#holding = true
        this.#step(carried.steps(), null)
    }
  }

  #step(steps: Steps, answer: Buffer | null): void {
    const { done, value } = answer === null ? steps.next() : steps.next(answer)
    if (!done) {
      this.#ask(value, (reply) => {
        if (isLostReply(reply)) this.#answered(reply)
        else this.#step(steps, reply)
      })
    } else this.#answered(value)
  }

  #answered(reply: Buffer): void {
    this.#holding = false
    this.#take(reply)
    this.#readOn()
  }

  #ask(frame: Buffer, taken: (reply: Buffer) => void): void {
    this.#out.push(frame)
    this.#pending.taken(taken)
    this.#flush()
  }

  #flush(): void {
    const pieces = this.#out
    if (pieces.length === 0 || this.#closed) return
    this.#out = []
    const wire = this.#wire
    for (let i = 0; i < pieces.length; ) {
      let end = i
      while (end < pieces.length && (pieces[end] as Buffer).length <= joinedBytesMax) end++
      if (end - i > 1) wire.write(Buffer.concat(pieces.slice(i, end)))
      else wire.write(pieces[i] as Buffer)
      i = Math.max(end, i + 1)
    }
  }

  #broken(error: Error): void {
    if (this.#closed) return
    this.destroy()
    this.#onError(error)
  }
}
