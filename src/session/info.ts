/** INFO: the authority's own, with a `# Ferry` section behind it. Tools skip sections they do not know, so nothing else changes. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { wireError } from '../errors.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeText } from '../resp/encode.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import { answer } from './answers.ts'
import type { ClientSession } from './client-session.ts'

const whole = new Set(['all', 'everything', 'default', 'ferry'])

export function askInfo(session: ClientSession, args: ArgView, frame: Frame): Sent {
  const sections = Array.from({ length: args.argc - 1 }, (_, i) =>
    argBytes(args, i + 1)
      .toString('latin1')
      .toLowerCase(),
  )
  if (sections.length === 1 && sections[0] === 'ferry')
    return answer(session, encodeText(ferrySection(session), session.protocol))
  const waiter = new InfoWaiter(session, sections.length === 0 || sections.some((section) => whole.has(section)))
  session.replies.push(waiter)
  const lane = session.shared.core.authorityLane(session.pair)
  lane.prepare(session.context)
  lane.send(frame.buf, frame.start, frame.end, waiter, 1)
  return 'sent'
}

const ferrySection = (session: ClientSession): string => ['# Ferry', ...session.shared.infoRows(), ''].join('\r\n')

/** The authority's INFO with the mode that clients of Ferry are in: see cluster-command.ts. */
function withMode(text: string, cluster: boolean): string {
  return text
    .replace(/^((?:redis|server)_mode):(?:standalone|cluster)\r$/m, `$1:${cluster ? 'cluster' : 'standalone'}\r`)
    .replace(/^cluster_enabled:[01]\r$/m, `cluster_enabled:${cluster ? 1 : 0}\r`)
}

class InfoWaiter extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #session: ClientSession
  readonly #extended: boolean
  #pieces: Buffer[] = []

  constructor(session: ClientSession, extended: boolean) {
    super()
    this.#session = session
    this.#extended = extended
  }

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    const bytes = Buffer.concat(this.#pieces)
    const reply = decodeReply(bytes).value
    const session = this.#session
    let out: Buffer = bytes
    if (Buffer.isBuffer(reply) && !isReplyError(reply)) {
      const text = withMode(reply.toString('latin1'), session.shared.cluster !== null)
      const behind = this.#extended ? `\r\n${ferrySection(session)}` : ''
      out = encodeText(Buffer.concat([Buffer.from(text, 'latin1'), Buffer.from(behind)]), session.protocol)
    }
    this.#session.replies.deliver(this, out, 0, out.length, true)
  }

  lost(lane: ReplyLane): void {
    const out = wireError('authority-unavailable', `${lane.side} was lost before it answered`)
    this.#session.replies.deliver(this, out, 0, out.length, true)
  }
}
