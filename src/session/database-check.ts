/** Which database numbers both sides have. Asked of the servers once per number, before any client is let in: a SELECT that fails on a shared lane would cost everybody. */
import type { Core } from '../dispatch/core.ts'
import { exchange } from '../dispatch/key-transfer.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import type { Parked } from '../dispatch/order-board.ts'
import { wireError } from '../errors.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Side } from '../routing/modes.ts'
import { freshContext } from '../upstream/lane.ts'

export const outOfRange = 'ERR DB index is out of range'
/** No server has more; keeps the table of known numbers small. */
const databasesMax = 1_000_000

export class DatabaseCheck {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #good = new Set([0])
  /** There on the authority, found while nothing went to the other side: that one has not been asked. */
  readonly #goodAlone = new Set<number>()
  readonly #asking = new Map<number, Parked[]>()
  /** What the servers said no to. Forgotten after it was told, so that a changed server is asked again. */
  readonly #bad = new Map<number, string>()

  constructor(core: Core, lanes: Lanes) {
    this.#core = core
    this.#lanes = lanes
  }

  /** 'ok', an error text, or null: the servers are being asked and `parked` is woken. */
  verdict(db: number, parked: Parked): string | null {
    if (this.#good.has(db) || (this.#goodAlone.has(db) && !this.#core.traffic.mirrored)) return 'ok'
    if (db < 0 || db > databasesMax) return outOfRange
    const bad = this.#bad.get(db)
    if (bad !== undefined) {
      this.#bad.delete(db)
      return bad
    }
    const asking = this.#asking.get(db)
    if (asking !== undefined) asking.push(parked)
    else {
      this.#asking.set(db, [parked])
      void this.#ask(db)
    }
    return null
  }

  /** Of the first that is not known to be there on both sides. */
  verdictOn(dbs: readonly number[], parked: Parked): string | null {
    for (const db of dbs) {
      const verdict = this.verdict(db, parked)
      if (verdict !== 'ok') return verdict
    }
    return 'ok'
  }

  async #ask(db: number): Promise<void> {
    const { traffic } = this.#core
    const { mirrored } = traffic
    const problem =
      (await this.#askSide(traffic.authority, db)) ?? (mirrored ? await this.#askFollower(traffic.follower, db) : null)
    if (problem === null) (mirrored ? this.#good : this.#goodAlone).add(db)
    else this.#bad.set(db, problem)
    const waiting = this.#asking.get(db) ?? []
    this.#asking.delete(db)
    for (const parked of waiting) parked.unpark()
  }

  async #askSide(side: Side, db: number): Promise<string | null> {
    const frames = Buffer.concat([encodeCommand(['SELECT', db]), encodeCommand(['SELECT', '0'])])
    try {
      const bytes = await exchange(this.#lanes.lane(side), freshContext, 2, (lane) => lane.write(frames, 0, frames.length))
      const reply = decodeReply(bytes).value
      return isReplyError(reply) ? reply.error : null
    } catch (error) {
      return wireError('authority-unavailable', (error as Error).message)
        .toString()
        .slice(1)
        .trim()
    }
  }

  async #askFollower(side: Side, db: number): Promise<string | null> {
    if (!this.#lanes.lane(side).up) return null
    const problem = await this.#askSide(side, db)
    // It went away while it was asked, which is no answer: as if it had been away before.
    if (problem === null || problem.startsWith('ERR FERRY')) return null
    return `ERR FERRY unsupported: ${side} has no database ${db} (${problem})`
  }
}
