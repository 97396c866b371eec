/** The first commands on a lane: who we are, and what the server's clock says. */
import type { ServerName } from '../commands/server-name.ts'
import { decodeAll, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { ReplyLane, Waiter } from './waiter.ts'

export interface Credentials {
  readonly username: string | null
  readonly password: string | null
}

/** Null where there is nothing to say. */
export const authOf = ({ username, password }: Credentials): string[] | null =>
  password === null ? null : username === null ? ['AUTH', password] : ['AUTH', username, password]

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
}

export class Handshake implements Waiter {
  readonly sums = false
  readonly frame: Buffer
  readonly count: number
  #authenticates: boolean
  #whileBusy: boolean
  #pieces: Buffer[] = []
  #done: (result: HandshakeResult) => void

  /** `whileBusy`: a server that is busy with a script is good enough. */
  constructor(credentials: Credentials, done: (result: HandshakeResult) => void, whileBusy = false) {
    this.#whileBusy = whileBusy
    const auth = authOf(credentials)
    const commands: string[][] = []
    this.#authenticates = auth !== null
    if (auth !== null) commands.push(auth)
    commands.push(['CLIENT', 'ID'], ['TIME'], ['PING'], ['INFO', 'server'])
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
    const [id, time, ping, info] = answers
    const told = errorOf(auth ?? undefined) ?? refusalOf(ping)
    const refusal = this.#whileBusy && told?.startsWith('BUSY') ? null : told
    const admitted = refusal === null
    const waitsForServer = refusal !== null && /^(LOADING|MASTERDOWN|BUSY)\b/.test(refusal)
    return {
      fault: waitsForServer ? refusal : null,
      admitted,
      refusal,
      clockOffsetMs: clockOffset(time) ?? 0,
      clientId: typeof id === 'number' ? id : 0,
      server: serverName(info),
      runId: fieldOf(info, 'run_id'),
    }
  }
}

/**
 * The server's clock minus ours, at least. TIME was read some time before now, nobody knows how long, and our clock leaves out up to a
 * millisecond: with the least that it can be, no key lives longer than its client said.
 */
function clockOffset(time: Reply | undefined): number | null {
  if (!Array.isArray(time) || time.length < 2) return null
  const serverMs = Number(String(time[0])) * 1000 + Number(String(time[1])) / 1000
  return serverMs - Date.now() - 1
}

/** TIME, asked again while the lane is in use. */
export class ClockWaiter implements Waiter {
  readonly sums = false
  readonly #sentAtMs = Date.now()
  readonly #pieces: Buffer[] = []
  readonly #told: (atLeastMs: number, atMostMs: number) => void

  /** `told` gets the bounds of the server's clock minus ours. */
  constructor(told: (atLeastMs: number, atMostMs: number) => void) {
    this.#told = told
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    const offsetMs = clockOffset(decodeAll(Buffer.concat(this.#pieces))[0])
    if (offsetMs !== null) this.#told(offsetMs, offsetMs + 1 + Date.now() - this.#sentAtMs)
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
