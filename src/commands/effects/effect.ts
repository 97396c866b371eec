/** What an effect is, and what every rule for one is made of. */
import type { Reply } from '../../resp/decode.ts'
import { encodeCommand } from '../../resp/encode.ts'
import type { ServerName } from '../server-name.ts'

export type Effect =
  /** It changed nothing. */
  | { readonly how: 'none' }
  /**
   * These do the same on the other side, in order and uninterrupted, and are answered with `expected`, one by one, if the two sides were
   * equal. null: any reply that is no error.
   */
  | { readonly how: 'frames'; readonly frames: readonly Buffer[]; readonly expected: readonly (Buffer | null)[] }
  /** The reply does not tell: the keys have to be copied. */
  | { readonly how: 'copy' }

export const none: Effect = { how: 'none' }
export const copy: Effect = { how: 'copy' }

/** What else is known when the effect is asked for. */
export interface Beside {
  readonly follower: ServerName
  /** null: not given. */
  readonly authority: ServerName | null
  /** The reply to the companion; undefined where none was sent. */
  readonly companion: Reply | undefined
}

export interface EffectRule {
  /** Whether the reply alone will tell the effect of these arguments. */
  readonly tells: (argv: readonly Buffer[], follower: ServerName) => boolean
  /** A read that tells the rest if it runs right behind the command, where the reply alone does not; null where nothing would. */
  readonly companion?: (argv: readonly Buffer[]) => Buffer | null
  /** The reply is no error. */
  readonly effect: (argv: readonly Buffer[], reply: Reply, beside: Beside) => Effect
}

type Words = readonly (Buffer | string | number)[]

/** The effect of one command. */
export const one = (words: Words, expected: Buffer | null): Effect => ({
  how: 'frames',
  frames: [encodeCommand(words)],
  expected: [expected],
})

export const several = (commands: readonly { readonly words: Words; readonly expected: Buffer | null }[]): Effect =>
  commands.length === 0
    ? none
    : {
        how: 'frames',
        frames: commands.map(({ words }) => encodeCommand(words)),
        expected: commands.map(({ expected }) => expected),
      }

/** The reply as any side sends it in either protocol, or null where the protocols differ or it is no array of bulk strings. */
export function replyBytes(reply: Reply): Buffer | null {
  if (Buffer.isBuffer(reply)) return Buffer.concat([Buffer.from(`$${reply.length}\r\n`), reply, Buffer.from('\r\n')])
  if (!Array.isArray(reply)) return null
  const parts: Buffer[] = [Buffer.from(`*${reply.length}\r\n`)]
  for (const element of reply) {
    const part = replyBytes(element)
    if (part === null) return null
    parts.push(part)
  }
  return Buffer.concat(parts)
}

export const areBuffers = (replies: readonly Reply[]): replies is readonly Buffer[] =>
  replies.every((reply) => Buffer.isBuffer(reply))

/** Lower case; '' where there is no such argument. */
export const wordAt = (argv: readonly Buffer[], i: number): string => (argv[i] === undefined ? '' : String(argv[i]).toLowerCase())
