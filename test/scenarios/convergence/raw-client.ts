/** A pipelined client that speaks RESP2 or RESP3. Replies are matched to commands by nothing but their order, as every client does. */
import { connect, type Socket } from 'node:net'
import { decodeReply, type Reply } from '../../../src/resp/decode.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { ReplyScanner } from '../../../src/resp/reply-scanner.ts'
import type { Argv } from './commands/world.ts'

export type { Argv }

export class ClientGone extends Error {}

/** Longer than everything that Ferry may let a client wait for; what takes longer is a reply that never comes. */
const replyLimitMs = 20_000

interface Waiting {
  readonly replies: Reply[]
  readonly expected: number
  readonly resolve: (replies: Reply[]) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

export class RawClient {
  /** Replies that nobody waited for, or that came for a client given up. */
  unasked = 0
  /** Told of each published message: kind, channel (or pattern and channel), payload. */
  onMessage: ((message: readonly Reply[]) => void) | null = null
  readonly #socket: Socket
  readonly #scanner = new ReplyScanner()
  readonly #waiting: Waiting[] = []
  #pieces: Buffer[] = []
  #gone: Error | null = null

  static open(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(new RawClient(socket)))
      socket.once('error', (error) => reject(new ClientGone(error.message)))
    })
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new ClientGone('closed')))
  }

  /** Rejects with ClientGone where the connection was closed, with another error where a reply never came. */
  send(commands: readonly Argv[]): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== null) {
        reject(this.#gone)
        return
      }
      const what = commands
        .map((argv) => argv.join(' '))
        .join(' ; ')
        .slice(0, 300)
      const timer = setTimeout(() => reject(new Error(`no reply within ${replyLimitMs} ms to: ${what}`)), replyLimitMs)
      this.#waiting.push({ replies: [], expected: commands.length, resolve, reject, timer })
      this.#socket.write(Buffer.concat(commands.map((argv) => encodeCommand(argv))))
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      const next = this.#scanner.scan(chunk, at, chunk.length)
      this.#pieces.push(chunk.subarray(at, next))
      at = next
      if (!this.#scanner.done) continue
      const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces)
      this.#pieces = []
      this.#take(decodeReply(bytes).value)
    }
  }

  #take(reply: Reply): void {
    if (this.onMessage !== null && isMessage(reply)) {
      this.onMessage(reply)
      return
    }
    const first = this.#waiting[0]
    if (first === undefined) {
      this.unasked++
      return
    }
    if (first.replies.push(reply) < first.expected) return
    this.#waiting.shift()
    clearTimeout(first.timer)
    first.resolve(first.replies)
  }

  #fail(error: Error): void {
    this.#gone ??= new ClientGone(error.message)
    for (const waiting of this.#waiting.splice(0)) {
      clearTimeout(waiting.timer)
      waiting.reject(this.#gone)
    }
  }
}

const isMessage = (reply: Reply): reply is Reply[] => Array.isArray(reply) && /^[ps]?message$/.test(String(reply[0]))
