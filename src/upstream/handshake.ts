/** The first commands on a lane: who we are, what the server's clock says, and that the connection before this one is dead. */
import { decodeAll, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { ReplyLane, Waiter } from './waiter.ts'

export interface Credentials {
  readonly username: string | null
  readonly password: string | null
}

export interface ServerName {
  readonly family: string
  readonly version: string
}

export interface HandshakeResult {
  /** Why the connection is of no use now (the server is loading, say), or null. */
  readonly fault: string | null
  readonly admitted: boolean
  /** The server's words where it did not admit us. */
  readonly refusal: string | null
  /** The server's clock minus ours. */
  readonly clockOffsetMs: number
  readonly clientId: number
  /** As the server tells it, where it does. */
  readonly server: ServerName | null
  /** Another after every start of the server; null where it does not tell. */
  readonly runId: string | null
  /** How long to wait where the old connection could not be killed and may still hold commands. */
  readonly fenceWaitMs: number
}

/** Longer than any command of an ordinary client; the server reads and runs what an orphaned connection holds within this. */
const unfencedWaitMs = 1_000

export class Handshake implements Waiter {
  readonly sums = false
  readonly frame: Buffer
  readonly count: number
  #authenticates: boolean
  #fences: boolean
  #pieces: Buffer[] = []
  #done: (result: HandshakeResult) => void
  #sentAtMs = Date.now()

  /** `formerClientId` null: there was no connection before; 0: there was one, and its number is not known. */
  constructor(credentials: Credentials, formerClientId: number | null, done: (result: HandshakeResult) => void) {
    const { username, password } = credentials
    const commands: string[][] = []
    this.#authenticates = password !== null
    if (password !== null) commands.push(username === null ? ['AUTH', password] : ['AUTH', username, password])
    commands.push(['CLIENT', 'ID'], ['TIME'], ['PING'], ['INFO', 'server'])
    this.#fences = formerClientId !== null
    if (formerClientId !== null && formerClientId > 0) commands.push(['CLIENT', 'KILL', 'ID', String(formerClientId)])
    this.frame = Buffer.concat(commands.map((argv) => encodeCommand(argv)))
    this.count = commands.length
    this.#done = done
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (ended) this.#done(this.#read(decodeAll(Buffer.concat(this.#pieces))))
  }

  lost(): void {
    // The lane reconnects and shakes hands anew.
  }

  #read(answers: Reply[]): HandshakeResult {
    const auth = this.#authenticates ? answers.shift() : null
    const [id, time, ping, info, kill] = answers
    const refusal = errorOf(auth ?? undefined) ?? refusalOf(ping)
    const admitted = refusal === null
    const waitsForServer = refusal !== null && /^(LOADING|MASTERDOWN|BUSY)\b/.test(refusal)
    return {
      fault: waitsForServer ? refusal : null,
      admitted,
      refusal,
      clockOffsetMs: clockOffset(time, this.#sentAtMs) ?? 0,
      clientId: typeof id === 'number' ? id : 0,
      server: serverName(info),
      runId: fieldOf(info, 'run_id'),
      fenceWaitMs: this.#fences && !killed(kill) ? unfencedWaitMs : 0,
    }
  }
}

/** The server's clock minus ours. TIME was read somewhere between sending and now: half the round trip is the best guess. */
function clockOffset(time: Reply | undefined, sentAtMs: number): number | null {
  if (!Array.isArray(time) || time.length < 2) return null
  const serverMs = Number(String(time[0])) * 1000 + Number(String(time[1])) / 1000
  return serverMs - (sentAtMs + Date.now()) / 2
}

/** TIME, asked again while the lane is in use. */
export class ClockWaiter implements Waiter {
  readonly sums = false
  readonly #sentAtMs = Date.now()
  readonly #pieces: Buffer[] = []
  readonly #told: (offsetMs: number) => void

  constructor(told: (offsetMs: number) => void) {
    this.#told = told
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    const offsetMs = clockOffset(decodeAll(Buffer.concat(this.#pieces))[0], this.#sentAtMs)
    if (offsetMs !== null) this.#told(offsetMs)
  }

  lost(): void {
    // The next handshake asks again.
  }
}

/** Valkey keeps `redis_version` for old tools and tells its own beside it. */
function serverName(info: Reply | undefined): ServerName | null {
  const valkey = fieldOf(info, 'valkey_version')
  if (valkey !== null) return { family: 'valkey', version: valkey }
  const version = fieldOf(info, 'redis_version')
  return version === null ? null : { family: 'redis', version }
}

function fieldOf(info: Reply | undefined, name: string): string | null {
  if (!Buffer.isBuffer(info)) return null
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info.toString())?.[1] ?? null
}

/** A user that may not PING is admitted all the same. */
function refusalOf(ping: Reply | undefined): string | null {
  const error = errorOf(ping)
  return error?.startsWith('NOPERM') ? null : error
}

const errorOf = (reply: Reply | undefined): string | null => (isReplyError(reply) ? reply.error : null)

/** `:1` and `:0` both mean that the old connection is gone. */
const killed = (reply: Reply | undefined): boolean => typeof reply === 'number'
