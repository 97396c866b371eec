/**
 * A bare pipelined Redis connection (RESP2) for what the demo and the benchmarks do beside the load: filling, probing, comparing.
 * It shares no code with the proxy on purpose, so that what it reports about the proxy is an outside view.
 */
import { connect, type Socket } from 'node:net'
import RedisParser from 'redis-parser'

/** Bulk and simple strings come as Buffers; an error reply is a value, since one bad command must not hide its neighbours' replies. */
export type Reply = Buffer | number | null | Error | Reply[]
export type Argument = string | Buffer | number

interface Batch {
  readonly expected: number
  readonly replies: Reply[]
  readonly resolve: (replies: Reply[]) => void
  readonly reject: (error: Error) => void
}

export class RawConnection {
  readonly #socket: Socket
  readonly #waiting: Batch[] = []
  #closed: Error | null = null

  static open(port: number, host = '127.0.0.1'): Promise<RawConnection> {
    const opened = Promise.withResolvers<RawConnection>()
    const socket = connect({ port, host, noDelay: true })
    socket.once('error', opened.reject)
    socket.once('connect', () => {
      socket.off('error', opened.reject)
      opened.resolve(new RawConnection(socket))
    })
    return opened.promise
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    const parser = new RedisParser({
      returnReply: (reply: Reply) => this.#take(reply),
      returnError: (error) => this.#take(error),
      returnFatalError: (error) => this.#fail(error),
      returnBuffers: true,
    })
    socket.on('data', (chunk) => parser.execute(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /** One command, one reply. An error reply rejects. */
  async command(...argv: Argument[]): Promise<Reply> {
    const [reply = null] = await this.batch([argv])
    if (reply instanceof Error) throw reply
    return reply
  }

  /** Sends all commands in one write; the replies come in order. Batches may overlap. */
  batch(commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    return this.send(encodeCommands(commands), commands.length)
  }

  /** For bytes that are ready made: `bytes` must hold exactly `expected` commands. */
  send(bytes: Buffer, expected: number): Promise<Reply[]> {
    if (this.#closed) return Promise.reject(this.#closed)
    if (expected === 0) return Promise.resolve([])
    const { promise, resolve, reject } = Promise.withResolvers<Reply[]>()
    this.#waiting.push({ expected, replies: [], resolve, reject })
    this.#socket.write(bytes)
    return promise
  }

  close(): void {
    this.#fail(new Error('the connection was closed'))
  }

  #take(reply: Reply): void {
    const batch = this.#waiting[0]
    if (!batch) {
      this.#fail(new Error('a reply came that nobody asked for'))
    } else if (batch.replies.push(reply) === batch.expected) {
      this.#waiting.shift()
      batch.resolve(batch.replies)
    }
  }

  #fail(error: Error): void {
    if (this.#closed) return
    this.#closed = error
    this.#socket.destroy()
    for (const batch of this.#waiting.splice(0)) batch.reject(error)
  }
}

/** Text is Latin-1. It goes as one string as long as there is no Buffer among the arguments: far cheaper than a Buffer per argument. */
export function encodeCommands(commands: readonly (readonly Argument[])[]): Buffer {
  const parts: Buffer[] = []
  let text = ''
  for (const argv of commands) {
    text += `*${argv.length}\r\n`
    for (const argument of argv) {
      if (typeof argument === 'object') {
        parts.push(Buffer.from(`${text}$${argument.length}\r\n`, 'latin1'), argument)
        text = '\r\n'
      } else {
        const latin = String(argument)
        text += `$${latin.length}\r\n${latin}\r\n`
      }
    }
  }
  parts.push(Buffer.from(text, 'latin1'))
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
}
