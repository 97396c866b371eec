/** Empties the journal: copies every dirty key from the side that has its truth, and hands over to the error queue what cannot be copied. */
import type { Core } from '../dispatch/core.ts'
import type { DirtyEntry } from '../dispatch/journal.ts'
import { exchange } from '../dispatch/key-transfer.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { decodeAll, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { sides } from '../routing/modes.ts'
import type { Store } from '../state/store.ts'
import { contextOf } from '../upstream/lane.ts'
import type { Copier, CopyOutcome } from './copier.ts'

const batchKeys = 256
const tickMs = 5
/** Tries before a key that a server refuses goes to the error queue; with the backoff that is some ten seconds. */
const attemptsMax = 8
/** After so many tries a key is copied on its own, so that it holds up no other. */
const alone = 3
const batchesMax = 4
const tellEveryMs = 1_000

export class Healer {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #copier: Copier
  readonly #store: Store
  #timer: NodeJS.Timeout | null = null
  #running = 0
  #untold = 0
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(core: Core, lanes: Lanes, copier: Copier, store: Store) {
    this.#core = core
    this.#lanes = lanes
    this.#copier = copier
    this.#store = store
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#core.journal.save()
  }

  #tick(): void {
    const { journal, turn, traffic, board } = this.#core
    journal.save()
    // Behind a closed gate it is the flip that heals: an entry taken here could not be finished before the gate opens.
    if (journal.size === 0 || !traffic.mirrored || board.gates > 0) return
    if (sides.some((side) => !this.#lanes.lane(side).up || this.#lanes.orphaned(side))) return
    while (this.#running < batchesMax) {
      const entries = journal.take(batchKeys, turn.tick())
      if (entries.length === 0) return
      const single = entries.filter((entry) => entry.attempts >= alone)
      const together = entries.filter((entry) => entry.attempts < alone)
      if (together.length > 0) void this.#heal(together)
      for (const entry of single) void this.#heal([entry])
    }
  }

  async #heal(entries: readonly DirtyEntry[]): Promise<void> {
    this.#running++
    const generations = entries.map((entry) => entry.generation)
    const first = entries[0] as DirtyEntry
    const keys = entries.map((entry) => entry.key)
    const cautious = entries.some((entry) => entry.distrusted)
    const outcome = await this.#copier.copy(first.db, keys, first.from, false, cautious)
    this.#running--
    await this.#settle(entries, generations, outcome)
  }

  async #settle(entries: readonly DirtyEntry[], generations: readonly number[], outcome: CopyOutcome): Promise<void> {
    const { journal, turn, counters } = this.#core
    const again = new Set([...outcome.busy, ...outcome.unknown])
    const errors = new Map(outcome.failed.map(({ key, error }) => [key, error]))
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as DirtyEntry
      const error = errors.get(entry.key)
      if (again.has(entry.key)) journal.postpone(entry, turn.nowMs)
      else if (error === undefined) {
        if (journal.healed(entry, generations[i] as number)) counters.journal.heals++
      } else if (++entry.refusals < attemptsMax) journal.postpone(entry, turn.nowMs)
      else await this.#giveUp(entry, error)
    }
  }

  async #giveUp(entry: DirtyEntry, error: string): Promise<void> {
    this.#core.counters.journal.healFailures++
    const facts = await this.#describe(entry)
    this.#store.addFailed({ db: entry.db, key: entry.key, attempts: attemptsMax, error, at: Date.now(), ...facts })
    this.#core.journal.drop(entry)
    this.#tell(error)
  }

  /** One event for many keys: a full target refuses them by the thousand. */
  #tell(error: string): void {
    this.#untold++
    const nowMs = this.#core.turn.nowMs
    if (nowMs - this.#toldMs < tellEveryMs) return
    this.#core.events.record('journal', 'keys could not be copied and are in the error queue', {
      reason: error,
      data: { keys: this.#untold },
    })
    this.#toldMs = nowMs
    this.#untold = 0
  }

  /** What there is to know about a key that stays behind. */
  async #describe({
    db,
    key,
    from,
  }: DirtyEntry): Promise<{ type: string | null; sizeBytes: number | null; ttlMs: number | null }> {
    const frames = Buffer.concat([
      encodeCommand(['TYPE', key]),
      encodeCommand(['MEMORY', 'USAGE', key]),
      encodeCommand(['PTTL', key]),
    ])
    try {
      const bytes = await exchange(this.#lanes.lane(from), contextOf(2, db), 3, (lane) => lane.write(frames, 0, frames.length))
      const [type, size, ttl] = decodeAll(bytes)
      return { type: textOf(type), sizeBytes: numberOf(size), ttlMs: numberOf(ttl) }
    } catch {
      return { type: null, sizeBytes: null, ttlMs: null }
    }
  }
}

const textOf = (reply: Reply | undefined): string | null =>
  Buffer.isBuffer(reply) && !isReplyError(reply) ? reply.toString() : null
const numberOf = (reply: Reply | undefined): number | null => (typeof reply === 'number' && reply >= 0 ? reply : null)
