/** Which channels a connection is subscribed to, by the server's own confirmations. Pure. */
import { decodeReply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'

export type ChannelKind = 'subscribe' | 'psubscribe' | 'ssubscribe'

/** The longest word of a message push: pmessage, smessage. All words of confirmations are longer. */
const messageWordMax = 8
/** Channels in one command when they are all asked for again. */
const channelsPerCommand = 1_000

/** What a push is about: `message`, or the word of a confirmation. */
function wordOf(push: Buffer): string {
  const lengthAt = push.indexOf(10) + 2
  const start = push.indexOf(10, lengthAt) + 1
  return push.toString('latin1', start, push.indexOf(13, start))
}

export class ChannelSet {
  /** Who subscribes from now on: a number that means something to the set's owner. */
  subscriber = 0
  /** Each with whoever subscribed to it. */
  readonly #sets: Readonly<Record<ChannelKind, Map<string, number>>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  }

  get empty(): boolean {
    return this.count('subscribe') + this.count('psubscribe') + this.count('ssubscribe') === 0
  }

  count(kind: ChannelKind): number {
    return this.#sets[kind].size
  }

  /** Takes note of a whole push; true where it confirms something, false for a message. */
  note(push: Buffer): boolean {
    const word = wordOf(push)
    if (word.length <= messageWordMax) return false
    const { value } = decodeReply(push)
    const name = Array.isArray(value) ? value[1] : undefined
    if (!Buffer.isBuffer(name)) return true
    const channel = name.toString('latin1')
    const kind = word.replace('un', '') as ChannelKind
    if (kind !== word) this.#sets[kind]?.delete(channel)
    else this.#sets[kind]?.set(channel, this.subscriber)
    return true
  }

  equals(other: ChannelSet): boolean {
    return (Object.keys(this.#sets) as ChannelKind[]).every((kind) => {
      const [mine, others] = [this.#sets[kind], other.#sets[kind]]
      return mine.size === others.size && [...mine.keys()].every((name) => others.has(name))
    })
  }

  /** The commands that subscribe another connection to what this subscriber subscribed to. */
  *commands(subscriber: number): Generator<Buffer> {
    for (const kind of Object.keys(this.#sets) as ChannelKind[]) {
      const names = [...this.#sets[kind]].filter(([, by]) => by === subscriber).map(([name]) => name)
      for (let i = 0; i < names.length; i += channelsPerCommand) {
        const some = names.slice(i, i + channelsPerCommand).map((name) => Buffer.from(name, 'latin1'))
        yield encodeCommand([kind, ...some])
      }
    }
  }
}

/**
 * A push for a client that speaks RESP2: an array, with RESP2's null where an UNSUBSCRIBE had nothing to give up. May change `push`.
 */
export function pushInProtocol2(push: Buffer, confirmation: boolean): Buffer {
  push[0] = 42
  if (!confirmation) return push
  const nil = push.indexOf('\r\n_\r\n')
  // A channel may be named like that, but never stands where its own length should.
  if (nil < 0 || push.indexOf(10, push.indexOf(10, push.indexOf(10) + 1) + 1) !== nil + 1) return push
  return Buffer.concat([push.subarray(0, nil), Buffer.from('\r\n$-1\r\n'), push.subarray(nil + 5)])
}
