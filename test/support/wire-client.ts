/** A client that sends and receives bytes as they are, for what a Redis library would hide: exact replies, half commands, closes. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ReplyScanner } from '../../src/resp/reply-scanner.ts'
import { until } from './wait.ts'

export class WireClient {
  readonly socket: Socket
  closed = false
  #received = Buffer.alloc(0)

  /** A port of loopback, or the path of a unix socket. */
  static async open(address: number | string): Promise<WireClient> {
    const socket = typeof address === 'number' ? connect(address, '127.0.0.1') : connect(address)
    await once(socket, 'connect')
    socket.setNoDelay(true)
    return new WireClient(socket)
  }

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
  }

  /** What came and was not taken yet. */
  get received(): string {
    return this.#received.toString('latin1')
  }

  /** Bytes as they are; text is latin1. */
  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends commands given as words in one write, and takes that many replies, each with its own bytes. */
  async pipeline(lines: readonly string[], timeoutMs = 5_000): Promise<string[]> {
    this.write(lines.map((line) => multibulk(...line.split(' '))).join(''))
    return this.take(lines.length, timeoutMs)
  }

  /** One command as words: the reply's bytes. */
  async ask(line: string, timeoutMs = 5_000): Promise<string> {
    return (await this.pipeline([line], timeoutMs))[0] as string
  }

  /** One command with arguments of any bytes. */
  async call(...argv: (string | Buffer)[]): Promise<string> {
    this.write(multibulk(...argv))
    return (await this.take(1))[0] as string
  }

  /** The next replies, in order. */
  async take(count: number, timeoutMs = 5_000): Promise<string[]> {
    const whole = (): number[] | null => {
      const ends = this.#ends(count)
      if (ends.length < count && this.closed) throw new Error(`the connection was closed after ${JSON.stringify(this.received)}`)
      return ends.length === count ? ends : null
    }
    const ends = await until(whole, { timeoutMs, intervalMs: 1, what: `${count} replies` })
    const replies: string[] = []
    let from = 0
    for (const end of ends) {
      replies.push(this.#received.toString('latin1', from, end))
      from = end
    }
    this.#received = this.#received.subarray(from)
    return replies
  }

  async untilClosed(): Promise<void> {
    await until(() => this.closed, { what: 'the connection to be closed', intervalMs: 1 })
  }

  /** Resets the connection: the other end learns of it at once. */
  vanish(): void {
    this.socket.resetAndDestroy()
  }

  close(): void {
    this.socket.destroy()
  }

  #ends(most: number): number[] {
    const scanner = new ReplyScanner()
    const ends: number[] = []
    let at = 0
    while (at < this.#received.length && ends.length < most) {
      at = scanner.scan(this.#received, at, this.#received.length)
      if (!scanner.done) break
      ends.push(at)
    }
    return ends
  }
}

/** One command as a client library would send it, in latin1. */
export function multibulk(...argv: readonly (string | Buffer)[]): string {
  return `*${argv.length}\r\n${argv.map((arg) => `$${arg.length}\r\n${arg.toString('latin1')}\r\n`).join('')}`
}

/** The bytes of a bulk string reply. */
export const bulk = (text: string): string => `$${Buffer.byteLength(text, 'latin1')}\r\n${text}\r\n`
