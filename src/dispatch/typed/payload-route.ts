/**
 * Whether the payloads that one server's DUMP gives are taken by another one's RESTORE: found out by trying, for each kind of payload, and
 * forgotten when either server was started anew, since it may be another version then.
 *
 * A payload begins with the number of its encoding. Version and checksum are looked at first, so a refusal for them is one of everything.
 */
import type { ServerName } from '../../commands/server-name.ts'

const Verdict = { unknown: 0, accepted: 1, refused: 2 } as const
/** Values of modules: one number for all of them, so what is found out about one says nothing about the next. */
const moduleEncodings: readonly number[] = [6, 7]

/** What a lane tells of the server behind it. */
export interface KnownServer {
  readonly server: ServerName
  readonly runId: string | null
  readonly clientId: number | null
}

export const isPayloadRefusal = (error: string): boolean => isVersionRefusal(error) || /Bad data format/i.test(error)
const isVersionRefusal = (error: string): boolean => /payload version or checksum/i.test(error)
export const isModulePayload = (payload: Buffer): boolean => moduleEncodings.includes(payload[0] as number)

/** From here on trying to compress a string for DUMP costs a server more than everything else of the copy. */
const longDumpBytes = 65_536
const stringEncoding = 0
/** Behind it: the string is compressed. */
const compressed = 0xc3

/** A long string that its server tried to compress for nothing. */
export const isPlainLongString = (payload: Buffer): boolean =>
  payload.length > longDumpBytes && payload[0] === stringEncoding && payload[1] !== compressed

export class PayloadRoute {
  /** The words with which every payload is refused; null: not all are. */
  refusal: string | null = null
  /** Whether the reading server is not known to be without expiries of hash fields. */
  fieldEnds = true
  /** Most strings of the last batch were too long for a first look, or were dumped at length although they cannot be compressed. */
  longStrings = false
  readonly #servers: string
  readonly #verdicts = new Uint8Array(256)

  constructor(from: KnownServer, to: KnownServer) {
    this.#servers = `${identityOf(from)} > ${identityOf(to)}`
  }

  /** Whether it is still the same two servers, and neither was started anew. */
  isBetween(from: KnownServer, to: KnownServer): boolean {
    return this.#servers === `${identityOf(from)} > ${identityOf(to)}`
  }

  isAccepted(payload: Buffer): boolean {
    return this.#verdicts[payload[0] as number] === Verdict.accepted
  }

  isRefused(payload: Buffer): boolean {
    return this.refusal !== null || this.#verdicts[payload[0] as number] === Verdict.refused
  }

  /** Whether it is worth a try to find out. */
  isUnknown(payload: Buffer): boolean {
    return this.#verdicts[payload[0] as number] === Verdict.unknown && this.refusal === null && !isModulePayload(payload)
  }

  /** What the server answered to the payload: null = it took it. Answers about anything else teach nothing. */
  learn(payload: Buffer, error: string | null): void {
    if (isModulePayload(payload)) return
    if (error === null) this.#verdicts[payload[0] as number] = Verdict.accepted
    else if (isPayloadRefusal(error)) {
      this.#verdicts[payload[0] as number] = Verdict.refused
      if (isVersionRefusal(error) && !this.#verdicts.includes(Verdict.accepted)) this.refusal = error
    }
  }
}

/** Without a number of its start, the connection has to do: another one may be to another start. */
const identityOf = ({ server, runId, clientId }: KnownServer): string =>
  `${server.family} ${server.version} ${runId ?? `connection ${clientId}`}`
