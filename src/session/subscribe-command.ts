/** SUBSCRIBE and its relatives, and a subscriber's PING. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import type { CommandSpec } from '../commands/spec.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { encodeBulk, encodeInteger, replies } from '../resp/encode.ts'
import { answer, refusalOf, withAuthority } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import type { ClientSubscriptions } from './subscribers.ts'
import { Subscriptions } from './subscriptions.ts'

/** A subscriber's PING is answered behind the messages that the server has sent by then; in RESP2 it has an array for its answer. */
export function pingWhileSubscribed(session: ClientSession, subscriptions: ClientSubscriptions, payload: Buffer | null): Sent {
  if (session.protocol === 3) subscriptions.fenceReply(payload === null ? replies.pong : encodeBulk(payload))
  else subscriptions.fenceReply(Buffer.concat([Buffer.from('*2\r\n'), encodeBulk('pong'), encodeBulk(payload ?? '')]))
  return 'sent'
}

export function handleSubscription(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const refusal = refusalOf(spec, args)
  if (refusal !== null) return answer(session, refusal)
  return withAuthority(session, () => {
    const subscribes = !spec.name.includes('un')
    const open = session.subscriptions
    if (open === null && !subscribes) return nothingToGiveUp(session, spec, args)
    session.subscriptions ??= new Subscriptions(session)
    session.subscriptions.change(wholeOf(frame))
    return 'sent'
  })
}

/** The bytes stay with the connection until the server has answered: the client's buffer must not. */
function wholeOf({ buf, start, end, pieces }: Frame): Buffer {
  return pieces === null ? Buffer.from(buf.subarray(start, end)) : Buffer.concat(pieces)
}

/** A confirmation for each channel named, or one for none, as a server gives them to a client without subscriptions. */
function nothingToGiveUp(session: ClientSession, spec: CommandSpec, args: ArgView): Sent {
  const three = session.protocol === 3
  const head = Buffer.concat([Buffer.from(three ? '>3\r\n' : '*3\r\n'), encodeBulk(spec.name)])
  const none = three ? replies.null3 : replies.nullBulk
  const names = Array.from({ length: args.argc - 1 }, (_, i) => encodeBulk(argBytes(args, i + 1)))
  const confirmations = (names.length === 0 ? [none] : names).map((name) => Buffer.concat([head, name, encodeInteger(0)]))
  const { muted } = session.replies
  // Confirmations are pushes: CLIENT REPLY OFF does not hide them.
  session.replies.muted = false
  session.replies.answer(Buffer.concat(confirmations))
  session.replies.muted = muted
  return 'sent'
}
