/**
 * One raw connection for verification: a million keys are millions of commands, which at ioredis' price per command would be half a
 * minute of CPU. RESP2 on the wire, so that sets, maps and doubles have one shape whatever the server. Replies come as the bytes that
 * arrived with where each ends; a value is only made of them where somebody asks for one.
 */
import { FerryError } from '../errors.ts'
import { decodeReply, isReplyError, type Reply } from '../resp/decode.ts'
import { ReplyScanner } from '../resp/reply-scanner.ts'
import { openWire } from '../upstream/connect.ts'
import type { Endpoint } from '../upstream/endpoint.ts'
import type { Wire } from '../upstream/wire.ts'
import { type Argument, encode, encodePerKey, type Verb } from './verify-requests.ts'

/** One behind the other as they came: reply n lies in [ends[n - 1], ends[n]). Errors are replies here, which the comparison judges. */
export interface RawReplies {
  readonly bytes: Buffer
  readonly ends: Uint32Array
}

interface Pending {
  readonly ends: Uint32Array
  readonly chunks: Buffer[]
  replies: number
  bytes: number
  readonly resolve: (replies: RawReplies) => void
  readonly reject: (error: Error) => void
}

/** A server that says nothing for so long, with commands in flight, is taken for dead. */
const silenceMs = 30_000
const silencePollMs = 1_000

export class VerifyPipe {
  readonly #socket: Wire
  readonly #silence: NodeJS.Timeout
  #heardMs = performance.now()
  readonly #address: string
  readonly #pending: Pending[] = []
  readonly #scanner = new ReplyScanner()
  #failure: Error | null = null
  #corked = false
  #db = -1

  /** Connecting begins at once; a failure shows in the first call. */
  constructor(endpoint: Endpoint) {
    this.#address = endpoint.redacted
    const take = (chunk: Buffer): void => {
      try {
        this.#take(chunk)
      } catch (error) {
        this.#fail(error as Error)
      }
    }
    const { username, password } = endpoint
    const options = { credentials: { username, password }, whileBusy: false, singly: false, reordered: () => undefined }
    const socket = openWire(endpoint, options, () => {}, take)
    this.#socket = socket
    this.#silence = setInterval(() => this.#listen(), silencePollMs).unref()
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /** Must be awaited before the first command. @throws FerryError `endpoint-unreachable` */
  async signIn({ username, password }: Endpoint): Promise<void> {
    if (password !== null) {
      const answer = await this.call(['AUTH', ...(username === null ? [] : [username]), password])
      if (isReplyError(answer)) throw this.#fail(new Error(answer.error))
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

  async callAll(commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    return valuesOf(await this.send(Buffer.concat(commands.map(encode)), commands.length))
  }

  /** Each of `verbs` for each key: the replies of the first key, then of the second, and so on. */
  async perKey(verbs: readonly Verb[], keys: readonly Buffer[]): Promise<Reply[]> {
    return valuesOf(await this.send(encodePerKey(verbs, keys), verbs.length * keys.length))
  }

  /** @throws FerryError `unsupported` if the server has no such database. */
  async select(db: number): Promise<void> {
    if (this.#db === db) return
    const answer = await this.call(['SELECT', db])
    if (isReplyError(answer)) throw new FerryError('unsupported', `${this.#address}: SELECT ${db}: ${answer.error}`)
    this.#db = db
  }

  /** Everything in flight is rejected with `reason`. */
  close(reason: Error = new FerryError('interrupted', 'the verification has ended')): void {
    this.#fail(reason)
  }

  /** `bytes` hold `wanted` commands. */
  send(bytes: Buffer, wanted: number): Promise<RawReplies> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (wanted === 0) return Promise.resolve({ bytes: Buffer.alloc(0), ends: new Uint32Array(0) })
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) this.#heardMs = performance.now()
      this.#pending.push({ ends: new Uint32Array(wanted), chunks: [], replies: 0, bytes: 0, resolve, reject })
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

  #listen(): void {
    if (this.#pending.length > 0 && performance.now() - this.#heardMs > silenceMs)
      this.#fail(new Error(`no answer for ${silenceMs / 1000} s`))
  }

  #take(chunk: Buffer): void {
    this.#heardMs = performance.now()
    const scanner = this.#scanner
    let at = 0
    while (at < chunk.length) {
      const first = this.#pending[0]
      if (first === undefined) throw new Error('a reply that nobody asked for')
      const { ends } = first
      const from = at
      const before = first.bytes
      let replies = first.replies
      while (at < chunk.length && replies < ends.length) {
        at = scanner.scan(chunk, at, chunk.length)
        if (scanner.done) ends[replies++] = before + at - from
      }
      first.replies = replies
      first.bytes = before + at - from
      first.chunks.push(from === 0 && at === chunk.length ? chunk : chunk.subarray(from, at))
      if (replies < ends.length) return
      // Few are pending at a time (one per batch), so shifting is cheap.
      this.#pending.shift()
      first.resolve({ bytes: first.chunks.length === 1 ? (first.chunks[0] as Buffer) : Buffer.concat(first.chunks), ends })
    }
  }

  #fail(cause: Error): Error {
    if (this.#failure === null) {
      this.#failure =
        cause instanceof FerryError ? cause : new FerryError('endpoint-unreachable', `${this.#address}: ${cause.message}`)
      clearInterval(this.#silence)
      this.#socket.destroy()
      for (const { reject } of this.#pending.splice(0)) reject(this.#failure)
    }
    return this.#failure
  }
}

function valuesOf({ bytes, ends }: RawReplies): Reply[] {
  const values: Reply[] = new Array(ends.length)
  let at = 0
  for (let i = 0; i < ends.length; i++) {
    values[i] = decodeReply(bytes, at).value
    at = ends[i] as number
  }
  return values
}
