/**
 * How lately or how often keys were used, on its way with their copies. It is asked for ahead of the values, since DUMP counts as a use, and
 * OBJECT does not. Which of the two a server knows goes by its maxmemory-policy: without an LFU one it refuses OBJECT FREQ, with one OBJECT
 * IDLETIME (Redis 7.0 and 8.0, Valkey 8.1 and 9.1); RESTORE takes both under every policy, and does nothing with the one that is not kept.
 */
import type { EventLog } from '../observe/events.ts'
import { CommandWriter } from '../resp/command-writer.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import type { AccessKind } from '../routing/access-kind.ts'
import type { Side } from '../routing/modes.ts'

/** As RESTORE takes it: seconds since the last use, or the logarithmic counter, 0 to 255. */
export interface Access {
  readonly option: 'IDLETIME' | 'FREQ'
  readonly value: number
}

export class AccessCarry {
  readonly #option: Access['option']
  readonly #events: EventLog
  readonly #refused = new Set<Side>()
  #isLossTold = false

  constructor(option: Access['option'], events: EventLog) {
    this.#option = option
    this.#events = events
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
      if (isReplyError(value)) this.#tell(side, value.error)
      accesses.push(typeof value === 'number' ? { option: this.#option, value } : null)
    }
    return { accesses, next }
  }

  /** Something goes by its type, and no command of any type says how it was used. Told once. */
  lost(): void {
    if (this.#isLossTold) return
    this.#isLossTold = true
    this.#events.record('mover', 'keys that are copied by type, or in pieces, arrive as just used', {
      reason: 'only a payload that the other server takes can carry how they were used',
    })
  }

  /** Once for each side: a policy is one of all keys. */
  #tell(side: Side, reason: string): void {
    if (this.#refused.has(side)) return
    this.#refused.add(side)
    const what = this.#option === 'IDLETIME' ? 'how lately' : 'how often'
    this.#events.record('mover', `keys are copied without ${what} they were used, which the ${side} does not tell`, { reason })
  }
}

export function accessCarryOf(kind: AccessKind, events: EventLog): AccessCarry | null {
  if (kind === 'none') return null
  return new AccessCarry(kind === 'idle' ? 'IDLETIME' : 'FREQ', events)
}
