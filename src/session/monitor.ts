/** MONITOR: what clients send through Ferry, as lines in a server's own form, for whoever asked to see it. */

import type { Socket } from 'node:net'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import { commandTable } from '../commands/table.generated.ts'
import type { ReplyQueue } from '../dispatch/reply-queue.ts'

/** A command's arguments, whether it came whole or in pieces. */
export interface MonitoredCommand {
  readonly argc: number
  argument(i: number): Buffer
}

/** As much of a client as is shown of it, or needed to show it something. */
export interface MonitoringClient {
  readonly socket: Socket
  readonly db: number
  readonly replies: ReplyQueue
  /** Reply bytes that it has not read. */
  readonly waitingBytes: number
  abort(reason: string): void
}

/** Of one argument; of a longer one the rest is only counted, as SLOWLOG does. */
export const monitoredBytesMax = 65_536

/** Those that a server does not show either: they administer it. */
const hidden: ReadonlySet<string> = new Set(
  commandTable
    .map((row) => row.split(' '))
    .filter((words) => words[6]?.includes('a'))
    .map((words) => words[0] as string),
)
const unseen: ReadonlySet<Kind> = new Set<Kind>([Kind.Unknown, Kind.Refused, Kind.Container])
const redacted = '"(redacted)"'

export class Monitors {
  readonly #outputBytesMax: number
  readonly #watching = new Set<MonitoringClient>()

  /** `outputBytesMax`: what a monitor may leave unread. */
  constructor(outputBytesMax: number) {
    this.#outputBytesMax = outputBytesMax
  }

  get size(): number {
    return this.#watching.size
  }

  has(session: MonitoringClient): boolean {
    return this.#watching.has(session)
  }

  /** False where it was added before. */
  add(session: MonitoringClient): boolean {
    if (this.#watching.has(session)) return false
    this.#watching.add(session)
    return true
  }

  remove(session: MonitoringClient): void {
    this.#watching.delete(session)
  }

  /** Tells of a command that `sender` has just sent. One that reads too slowly is cut off at its output limit. */
  report(sender: MonitoringClient, spec: CommandSpec, command: MonitoredCommand): void {
    if (unseen.has(spec.kind) || hidden.has(spec.name) || !arityOk(spec, command.argc)) return
    const line = Buffer.from(monitorLine(Date.now(), sender.db, addressOf(sender), spec.name, command), 'latin1')
    for (const session of this.#watching) {
      session.replies.interject(line)
      const waitingBytes = session.waitingBytes + session.replies.pushBytes
      if (waitingBytes > this.#outputBytesMax) session.abort('lines of MONITOR that it did not read')
    }
  }
}

function addressOf({ socket }: MonitoringClient): string {
  if (socket.remoteAddress === undefined) return 'unix:'
  return socket.remoteFamily === 'IPv6'
    ? `[${socket.remoteAddress}]:${socket.remotePort}`
    : `${socket.remoteAddress}:${socket.remotePort}`
}

/** `nowMs`: Unix time. Passwords are left out as a server does it. Latin1. */
export function monitorLine(nowMs: number, db: number, address: string, name: string, command: MonitoredCommand): string {
  const words: string[] = []
  let secret = name === 'auth' ? Number.POSITIVE_INFINITY : 0
  for (let i = 0; i < command.argc; i++) {
    const bytes = command.argument(i)
    const hides = i > 0 && secret > 0
    if (hides) secret--
    words.push(hides ? redacted : quoted(bytes))
    if (name === 'hello' && !hides && i > 1 && bytes.toString('latin1').toLowerCase() === 'auth') secret = 2
  }
  return `+${Math.floor(nowMs / 1000)}.${String(nowMs % 1000).padStart(3, '0')}000 [${db} ${address}] ${words.join(' ')}\r\n`
}

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
}

/** In quotes, with what cannot be printed escaped. */
function quoted(bytes: Buffer): string {
  const text = bytes
    .toString('latin1', 0, Math.min(bytes.length, monitoredBytesMax))
    .replace(
      /[^\x20\x21\x23-\x5b\x5d-\x7e]/g,
      (char) => escapes[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
    )
  const rest = bytes.length - monitoredBytesMax
  return rest > 0 ? `"${text}"... (${rest} more bytes)` : `"${text}"`
}
