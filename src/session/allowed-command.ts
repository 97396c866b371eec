/** A command that is refused unless the configuration allows it by name: to the authority, or to both sides, as allowances.ts says. */
import { allowanceOf } from '../commands/allowances.ts'
import type { ArgView } from '../commands/arg-view.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { loseOne } from '../dispatch/lost-reply.ts'
import { putFrame } from '../dispatch/put-frame.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { wireError } from '../errors.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import { answer, withAuthority } from './answers.ts'
import type { ClientSession } from './client-session.ts'

/** Of the follower's refusal, for the event. */
const shownBytesMax = 256

export function handleAllowed(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const { core, writes } = session.shared
  const allowance = allowanceOf(spec.name, args)
  core.events.record('client', `${spec.name} was sent, as the configuration allows`, {
    data: { client: session.id, user: session.user },
  })
  return withAuthority(session, () => {
    if (allowance === 'keys') return writes.write(session, { ...spec, kind: Kind.WriteByCopy, write: true }, args, frame)
    if (core.board.gates > 0) {
      core.board.parkAtGate(session)
      return 'parked'
    }
    const both = allowance === 'both' && core.traffic.mirrored
    const follower = both ? core.followerLane(session.pair) : null
    if (both && follower === null) {
      return answer(session, wireError('both-required', `${core.traffic.follower} is not reachable; nothing was sent`))
    }
    const command = new AllowedCommand(session, spec, allowance === 'doubt')
    session.replies.push(command)
    putFrame(core, core.authorityLane(session.pair), session.context, frame, command)
    if (follower !== null) putFrame(core, follower, session.context, frame, command)
    return 'sent'
  })
}

class AllowedCommand extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #session: ClientSession
  readonly #spec: CommandSpec
  readonly #doubts: boolean
  readonly #answering: string
  #follower: Buffer[] = []

  constructor(session: ClientSession, spec: CommandSpec, doubts: boolean) {
    super()
    this.#session = session
    this.#spec = spec
    this.#doubts = doubts
    this.#answering = session.shared.core.traffic.authority
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    const { counters } = this.#session.shared.core
    if (ended) counters.sides[lane.side][lane.errors > 0 ? 'error' : 'ok']++
    if (lane.side === this.#answering) {
      if (ended && lane.errors === 0) this.#doubt()
      this.#session.replies.deliver(this, chunk, from, to, ended)
      return
    }
    this.#follower.push(Buffer.from(chunk.subarray(from, Math.min(to, from + shownBytesMax))))
    if (ended && lane.errors > 0) this.#unlike(lane, Buffer.concat(this.#follower).toString('utf8').slice(1).trim())
  }

  lost(lane: ReplyLane, _left: number, midReply: boolean): void {
    const { core } = this.#session.shared
    core.counters.sides[lane.side].lost++
    if (lane.side !== this.#answering) {
      this.#unlike(lane, `lost before it answered (${lane.lastError ?? 'connection closed'})`)
      return
    }
    this.#doubt()
    // A server that was shut down answers by closing the connection.
    if (this.#spec.name === 'shutdown') this.#session.abort(`${lane.side} was shut down`)
    else loseOne(core, this.#session, this, lane, midReply)
  }

  #doubt(): void {
    if (this.#doubts) this.#session.shared.core.doubtAll(`${this.#spec.name} was sent to ${this.#answering}`)
  }

  #unlike({ side }: ReplyLane, reason: string): void {
    this.#session.shared.core.events.record('side', `${this.#spec.name} is not known to have taken effect on ${side}`, { reason })
  }
}
