/**
 * Changes as client tracking tells them (`CLIENT TRACKING ON BCAST`): needs no setting of the server. Found out on Redis 7.0 and 8.0 and
 * Valkey 8.0 and 9.1: told are all writes, also by scripts, expiry of keys and of hash fields, eviction, RENAME, MOVE and COPY, and FLUSHALL
 * and FLUSHDB as "everything"; never the database. Not told are SWAPDB, and what changes nothing of a stream but its groups or its last id.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { exchange } from '../dispatch/key-transfer.ts'
import { FerryError } from '../errors.ts'
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { freshContext, type Lane, type LaneOwner } from '../upstream/lane.ts'
import type { ChangeFeed, ChangeListener } from './change-feed.ts'

const connectMs = 10_000
const pollMs = 5
const steps = [encodeCommand(['HELLO', '3']), encodeCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST'])]
const ping = encodeCommand(['PING'])

export class TrackingFeed implements ChangeFeed, LaneOwner {
  readonly tellsFlush = true
  readonly #lane: Lane
  readonly #listener: ChangeListener
  #told = false
  #refusal: string | null = null

  /** `service`: the lane whose server and credentials it shares. */
  constructor(service: Lane, listener: ChangeListener) {
    this.#listener = listener
    this.#lane = service.sibling(this)
  }

  async start(): Promise<void> {
    this.#lane.connect()
    const deadlineMs = performance.now() + connectMs
    while (!this.#told && this.#refusal === null && performance.now() < deadlineMs) await delay(pollMs)
    if (this.#told) return
    const { endpoint, lastError } = this.#lane
    if (this.#refusal === null) throw new FerryError('endpoint-unreachable', `${endpoint.redacted}: ${lastError ?? 'no answer'}`)
    throw new FerryError(
      'unsupported',
      `the source does not tell of changes by client tracking (${this.#refusal}); --live notifications may do`,
    )
  }

  /** What a server was told before a PING is pushed before or right behind its answer, and before the answer of the next one. */
  async caughtUp(): Promise<void> {
    await this.#ask(ping)
    await this.#ask(ping)
  }

  cut(reason: string): void {
    this.#lane.fail(new Error(reason))
  }

  async stop(): Promise<void> {
    this.#told = false
    this.#lane.close()
  }

  laneUp(): void {
    void this.#begin().catch(() => undefined)
  }

  laneDown(_lane: Lane, error: Error): void {
    if (!this.#told) return
    this.#told = false
    this.#listener.deaf(error.message)
  }

  lanePush(_lane: Lane, push: Buffer): void {
    const { value } = decodeReply(push)
    if (!Array.isArray(value) || String(value[0]) !== 'invalidate') return
    const keys = value[1]
    if (Array.isArray(keys)) this.#listener.changed(null, keys.filter(Buffer.isBuffer))
    else this.#listener.flushed()
  }

  async #begin(): Promise<void> {
    for (const step of steps) {
      this.#refusal = await this.#ask(step)
      if (this.#refusal !== null) return
    }
    this.#told = true
    this.#listener.listening()
  }

  /** The server's words where it refuses. */
  async #ask(frame: Buffer): Promise<string | null> {
    const reply = decodeReply(await exchange(this.#lane, freshContext, 1, (to) => to.write(frame, 0, frame.length))).value
    return isReplyError(reply) ? reply.error : null
  }
}
