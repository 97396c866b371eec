/**
 * Whether the server lets a user send MULTI at all (an ACL, or a command that was renamed). Where it does not, it would run what stands
 * behind MULTI one by one, and Ferry's client has been told that it is queued; where it does not know EXEC, everybody's commands would be
 * queued on the connection from then on. Asked once per connection, before anything is queued.
 */
import type { Parked } from '../dispatch/order-board.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Lane } from '../upstream/lane.ts'
import { TextReplies } from '../upstream/text-replies.ts'

/** DISCARD for the server that does not know EXEC; any other one says that there is nothing to discard. */
const probe = Buffer.concat([['MULTI'], ['EXEC'], ['DISCARD']].map((argv) => encodeCommand(argv)))

export class MultiCheck {
  /** By the server's number of the connection that said yes. */
  readonly #allowed = new WeakMap<Lane, number | null>()
  readonly #asking = new WeakMap<Lane, Parked[]>()
  /** Forgotten when it was told: a user that has been given the right is asked about again. */
  readonly #refused = new WeakMap<Lane, Buffer>()

  /** 'ok', the server's refusal, or null: it is being asked, and `parked` is woken. The lane is up. */
  verdict(lane: Lane, parked: Parked): 'ok' | Buffer | null {
    if (this.#allowed.has(lane) && this.#allowed.get(lane) === lane.clientId) return 'ok'
    const refused = this.#refused.get(lane)
    if (refused !== undefined) {
      this.#refused.delete(lane)
      return refused
    }
    const asking = this.#asking.get(lane)
    if (asking !== undefined) asking.push(parked)
    else this.#ask(lane, parked)
    return null
  }

  #ask(lane: Lane, parked: Parked): void {
    const waiting = [parked]
    this.#asking.set(lane, waiting)
    const connection = lane.clientId
    const answer = new TextReplies((replies) => {
      this.#asking.delete(lane)
      const refusal = replies === null ? null : refusalIn(replies)
      if (refusal !== null) this.#refused.set(lane, refusal)
      else if (replies !== null) this.#allowed.set(lane, connection)
      for (const each of waiting) each.unpark()
    })
    lane.send(probe, 0, probe.length, answer, 3)
  }
}

/** A user who may not send EXEC is told so by EXEC, which runs nothing then. */
function refusalIn(replies: string): Buffer | null {
  const [multi = '', exec = ''] = replies.split('\r\n')
  const refusal = multi.startsWith('-') ? multi : exec
  return multi.startsWith('-') || exec.startsWith('-ERR unknown command') ? Buffer.from(`${refusal}\r\n`, 'latin1') : null
}
