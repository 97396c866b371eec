/**
 * What a write did, told from its reply: the command that makes the other side the same. As Redis tells its replicas (SPOP as SREM,
 * XADD * with its id, INCRBYFLOAT as SET KEEPTTL). Only commands whose reply says it all are here; the others are copied.
 */
import type { Reply } from '../resp/decode.ts'
import { isReplyError } from '../resp/decode.ts'
import { encodeCommand, replies } from '../resp/encode.ts'

export type Effect =
  /** It changed nothing. */
  | { readonly how: 'none' }
  /** This does the same on the other side, and is answered with `expected` if the two sides were equal. */
  | { readonly how: 'frame'; readonly frame: Buffer; readonly expected: Buffer }
  /** The reply does not tell: the keys have to be copied. */
  | { readonly how: 'copy' }

const none: Effect = { how: 'none' }
const copy: Effect = { how: 'copy' }

type Rule = (argv: readonly Buffer[], reply: Reply) => Effect

const rules: ReadonlyMap<string, Rule> = new Map([
  ['spop', spop],
  ['incrbyfloat', incrByFloat],
  ['xadd', xadd],
])

/** Whether the reply of this command, with these arguments, will tell its effect. */
export function tellsEffect(name: string, argv: readonly Buffer[]): boolean {
  return name === 'xadd' ? xaddIdAt(argv) > 0 : rules.has(name)
}

export function effectOf(name: string, argv: readonly Buffer[], reply: Reply): Effect {
  const rule = rules.get(name)
  if (rule === undefined) return copy
  return isReplyError(reply) ? none : rule(argv, reply)
}

function spop(argv: readonly Buffer[], reply: Reply): Effect {
  if (reply === null) return none
  const members = Array.isArray(reply) ? reply : [reply]
  if (members.length === 0) return none
  if (!members.every((member): member is Buffer => Buffer.isBuffer(member))) return copy
  const frame = encodeCommand(['SREM', argv[1] as Buffer, ...members])
  return { how: 'frame', frame, expected: Buffer.from(`:${members.length}\r\n`) }
}

function incrByFloat(argv: readonly Buffer[], reply: Reply): Effect {
  if (!Buffer.isBuffer(reply)) return copy
  return { how: 'frame', frame: encodeCommand(['SET', argv[1] as Buffer, reply, 'KEEPTTL']), expected: replies.ok }
}

function xadd(argv: readonly Buffer[], reply: Reply): Effect {
  if (reply === null) return none
  const at = xaddIdAt(argv)
  if (at === 0 || !Buffer.isBuffer(reply)) return copy
  const frame = encodeCommand([...argv.slice(0, at), reply, ...argv.slice(at + 1)])
  return { how: 'frame', frame, expected: Buffer.from(`$${reply.length}\r\n${reply}\r\n`) }
}

/** Where XADD's id stands; 0 where the options are not understood, or trim by a rule of thumb (`~`), which two servers follow differently. */
function xaddIdAt(argv: readonly Buffer[]): number {
  let at = 2
  while (at < argv.length) {
    const word = String(argv[at]).toLowerCase()
    if (word === 'nomkstream') at++
    else if (word === 'maxlen' || word === 'minid') {
      const mark = String(argv[at + 1])
      if (mark === '~') return 0
      at += mark === '=' ? 3 : 2
    } else if (/^(\*|\d+-\*|\d+(-\d+)?)$/.test(word)) return at
    else return 0
  }
  return 0
}
