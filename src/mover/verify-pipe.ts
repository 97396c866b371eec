/**
 * One raw connection for verification: a million keys are two million commands per side, which at ioredis' price per command would be
 * half a minute of CPU. RESP2 on the wire, so that sets, maps and doubles have one shape whatever the server; redis-parser decodes.
 */
import type { Socket } from 'node:net'
import RedisParser from 'redis-parser'
import { FerryError } from '../errors.ts'
import { openSocket } from '../upstream/connect.ts'
import type { Endpoint } from '../upstream/endpoint.ts'

/** Errors are values here: a WRONGTYPE or an unknown command is an answer that the comparison has to judge. */
export type Reply = Buffer | number | null | Error | Reply[]
export type Argument = Buffer | string | number

interface Pending {
  readonly wanted: number
  readonly replies: Reply[]
  readonly resolve: (replies: Reply[]) => void
  readonly reject: (error: Error) => void
}

/** A server that says nothing for so long, with commands in flight, is taken for dead. */
const silenceMs = 30_000

export class VerifyPipe {
  readonly #socket: Socket
  readonly #address: string
  readonly #pending: Pending[] = []
  #failure: Error | null = null
  #corked = false
  #db = -1

  /** Connecting begins at once; a failure shows in the first call. */
  constructor(endpoint: Endpoint) {
    this.#address = endpoint.redacted
    const parser = new RedisParser({
      returnBuffers: true,
      returnReply: (reply: Reply) => this.#settle(reply),
      returnError: (error: Error) => this.#settle(error),
      returnFatalError: (error: Error) => this.#fail(error),
    })
    const parse = (chunk: Buffer): void => {
      try {
        parser.execute(chunk)
      } catch (error) {
        this.#fail(error as Error)
      }
    }
    const socket = openSocket(endpoint, () => {}, parse)
    this.#socket = socket
    socket.setTimeout(silenceMs)
    socket.on('timeout', () => {
      if (this.#pending.length > 0) this.#fail(new Error(`no answer for ${silenceMs / 1000} s`))
    })
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /** Must be awaited before the first command. @throws FerryError `endpoint-unreachable` */
  async signIn({ username, password }: Endpoint): Promise<void> {
    if (password !== null) {
      const answer = await this.call(['AUTH', ...(username === null ? [] : [username]), password])
      if (answer instanceof Error) throw this.#fail(answer)
    }
    // Comparing must not make every key look recently used. Both are refused by older servers, which is no reason to stop.
    await this.callAll([
      ['CLIENT', 'SETNAME', 'ferry-verify'],
      ['CLIENT', 'NO-TOUCH', 'ON'],
    ])
  }

  /** Rejects only when the connection fails; then everything after it does as well. */
  async call(args: readonly Argument[]): Promise<Reply> {
    return (await this.callAll([args]))[0] ?? null
  }

  callAll(commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    return this.#send(Buffer.concat(commands.map(encode)), commands.length)
  }

  /** Each of `verbs` for each key: the replies of the first key, then of the second, and so on. */
  perKey(verbs: readonly string[], keys: readonly Buffer[]): Promise<Reply[]> {
    return this.#send(encodePerKey(verbs, keys), verbs.length * keys.length)
  }

  /** @throws FerryError `unsupported` if the server has no such database. */
  async select(db: number): Promise<void> {
    if (this.#db === db) return
    const answer = await this.call(['SELECT', db])
    if (answer instanceof Error) throw new FerryError('unsupported', `${this.#address}: SELECT ${db}: ${answer.message}`)
    this.#db = db
  }

  /** Everything in flight is rejected with `reason`. */
  close(reason: Error = new FerryError('interrupted', 'the verification has ended')): void {
    this.#fail(reason)
  }

  #send(bytes: Buffer, wanted: number): Promise<Reply[]> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (wanted === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      this.#pending.push({ wanted, replies: [], resolve, reject })
      // Many comparisons run side by side; what they send in one turn of the event loop leaves as one write.
      if (!this.#corked) {
        this.#corked = true
        this.#socket.cork()
        setImmediate(() => {
          this.#corked = false
          this.#socket.uncork()
        })
      }
      this.#socket.write(bytes)
    })
  }

  #settle(reply: Reply): void {
    const first = this.#pending[0]
    if (first === undefined) {
      this.#fail(new Error('a reply that nobody asked for'))
      return
    }
    first.replies.push(reply)
    if (first.replies.length === first.wanted) {
      // Few are pending at a time (one per batch), so shifting is cheap.
      this.#pending.shift()
      first.resolve(first.replies)
    }
  }

  #fail(cause: Error): Error {
    if (this.#failure === null) {
      this.#failure =
        cause instanceof FerryError ? cause : new FerryError('endpoint-unreachable', `${this.#address}: ${cause.message}`)
      this.#socket.destroy()
      for (const { reject } of this.#pending.splice(0)) reject(this.#failure)
    }
    return this.#failure
  }
}

function encode(args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const argument of args) {
    const bytes = Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument))
    parts.push(lengthPrefix(bytes.length), bytes, lineEnd)
  }
  return Buffer.concat(parts)
}

/** One allocation for the whole batch; this is the hot path. */
function encodePerKey(verbs: readonly string[], keys: readonly Buffer[]): Buffer {
  const heads = verbs.map((verb) => {
    const words = verb.split(' ')
    return Buffer.from(`*${words.length + 1}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`)
  })
  const headBytes = heads.reduce((sum, head) => sum + head.length, 0)
  let size = headBytes * keys.length
  for (const key of keys) size += heads.length * (lengthPrefix(key.length).length + key.length + 2)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const key of keys) {
    const prefix = lengthPrefix(key.length)
    for (const head of heads) {
      bytes.set(head, at)
      at += head.length
      bytes.set(prefix, at)
      at += prefix.length
      bytes.set(key, at)
      at += key.length
      bytes[at++] = 13
      bytes[at++] = 10
    }
  }
  return bytes
}

const lineEnd = Buffer.from('\r\n')
const knownPrefixes = Array.from({ length: 256 }, (_, length) => Buffer.from(`$${length}\r\n`))

function lengthPrefix(length: number): Buffer {
  return knownPrefixes[length] ?? Buffer.from(`$${length}\r\n`)
}
