/**
 * How lately or how often keys were used, on its way with their copies. It is asked for ahead of the values, since reading counts as a use, and
 * OBJECT does not. Which of the two a server knows goes by its maxmemory-policy: without an LFU one it refuses OBJECT FREQ, with one OBJECT
 * IDLETIME (Redis 7.0 and 8.0, Valkey 8.1 and 9.1); RESTORE takes both under every policy, and does nothing with the one that is not kept.
 */
import { limitDefaults } from '../limits.ts'
import type { EventLog } from '../observe/events.ts'
import { CommandWriter } from '../resp/command-writer.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import type { AccessKind } from '../routing/access-kind.ts'
import type { Side } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'

/** As RESTORE takes it: seconds since the last use, or the logarithmic counter, 0 to 255. */
export interface Access {
  readonly option: 'IDLETIME' | 'FREQ'
  readonly value: number
  /** Whoever asked for it, and is told where it does not arrive. */
  readonly carry: AccessCarry
}

export class AccessCarry {
  readonly #option: Access['option']
  readonly #events: EventLog
  readonly #longBytes: number
  readonly #refused = new Set<Side>()
  /** Which of a lane's connections may run no script. */
  readonly #scriptless = new WeakMap<Lane, number>()
  readonly #told = new Set<string>()

  /** `longBytes`: a value above it is never dumped in one piece. */
  constructor(option: Access['option'], events: EventLog, longBytes: number) {
    this.#option = option
    this.#events = events
    this.#longBytes = longBytes
  }

  /** One command per key. */
  questions(keys: readonly Buffer[]): CommandWriter {
    const out = new CommandWriter(keys.reduce((sum, key) => sum + key.length + 64, 64))
    for (const key of keys) out.command('OBJECT', this.#option, key)
    return out
  }

  /** What the first `count` replies say, null where there is no such key or where it was refused, and where the next reply begins. */
  answers(side: Side, replies: Buffer, count: number): { readonly accesses: (Access | null)[]; readonly next: number } {
    const accesses: (Access | null)[] = []
    let next = 0
    while (accesses.length < count) {
      const reply = decodeReply(replies, next)
      next = reply.next
      const { value } = reply
      if (isReplyError(value)) this.#tellRefusal(side, value.error)
      accesses.push(typeof value === 'number' ? { option: this.#option, value, carry: this } : null)
    }
    return { accesses, next }
  }

  /** Whether a value that was read by its type can be given the use that it had. */
  isShort(sizeBytes: number): boolean {
    if (sizeBytes <= this.#longBytes) return true
    this.lostLong()
    return false
  }

  /** Told once. */
  lostLong(): void {
    this.#lost(
      'long values arrive as just used',
      'only a payload can carry how they were used, and above limits.longValueBytes none is made',
    )
  }

  /** Whether the writing side is to be asked to restore what it dumps itself. */
  runsScripts(lane: Lane): boolean {
    return this.#scriptless.get(lane) !== lane.connections
  }

  /** Nothing was run, and it was written without. It is not asked for again on this connection. */
  scriptRefused(lane: Lane, reason: string): void {
    this.#scriptless.set(lane, lane.connections)
    this.lost(lane, reason)
  }

  /** It is written, and as just used. Told once for each side. */
  lost({ side }: Lane, reason: string): void {
    this.#lost(`keys that are copied by type arrive as just used: the ${side} does not restore what it dumps itself`, reason)
  }

  #lost(message: string, reason: string): void {
    if (this.#told.has(message)) return
    this.#told.add(message)
    this.#events.record('mover', message, { reason })
  }

  /** Once for each side: a policy is one of all keys. */
  #tellRefusal(side: Side, reason: string): void {
    if (this.#refused.has(side)) return
    this.#refused.add(side)
    const what = this.#option === 'IDLETIME' ? 'how lately' : 'how often'
    this.#events.record('mover', `keys are copied without ${what} they were used, which the ${side} does not tell`, { reason })
  }
}

export function accessCarryOf(
  kind: AccessKind,
  events: EventLog,
  longBytes: number = limitDefaults.longValueBytes,
): AccessCarry | null {
  if (kind === 'none') return null
  return new AccessCarry(kind === 'idle' ? 'IDLETIME' : 'FREQ', events, longBytes)
}
