/** Empties the journal: copies every dirty key from the side that has its truth, and hands over to the error queue what cannot be copied. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Core } from '../dispatch/core.ts'
import type { DirtyEntry } from '../dispatch/journal.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { failureClassOf, failurePolicies, stopsAll } from '../routing/copy-failure.ts'
import { type Side, sides } from '../routing/modes.ts'
import type { Store } from '../state/store.ts'
import type { Copier } from './copier.ts'
import type { CopyOutcome } from './copy-outcome.ts'
import { factsOf } from './failed-key.ts'
import type { MoverJob } from './job.ts'
import type { Standstill } from './standstill.ts'

const batchKeys = 256
const tickMs = 5
/** After so many tries a key is copied on its own, so that it holds up no other. */
const alone = 3
/** After so many lost connections a key is suspected, and tried with nothing else of the healing under way; only those losses count further. */
const suspectedLosses = 4
/**
 * A long value that is written to all the time could never be copied within the usual limit. Each try after the first ones may make its writes
 * wait for twice as long as the last, up to so many times the limit: its writers wait, and nobody else.
 */
const patienceMax = 64
const batchesMax = 4
const tellEveryMs = 1_000
/** What a key that was healed may have come to. */
const healEnds = ['copied', 'vanished', 'skipped'] as const
type HealEnd = (typeof healEnds)[number]

/** `usual` beside others, `solitary` with no other heal under way, `trial` to find out whether a standstill is over. */
type Manner = 'usual' | 'solitary' | 'trial'

export class Healer {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #copier: Copier
  readonly #store: Store
  readonly #job: Pick<MoverJob, 'standstill' | 'healed'>
  readonly #standstill: Standstill
  readonly #payloadBytesMax: number
  #timer: NodeJS.Timeout | null = null
  #running = 0
  #solitary = false
  #untold = 0
  #toldMs = Number.NEGATIVE_INFINITY

  /** `payloadBytesMax`: see `factsOf`. */
  constructor(
    core: Core,
    lanes: Lanes,
    copier: Copier,
    store: Store,
    job: Pick<MoverJob, 'standstill' | 'healed'>,
    payloadBytesMax = 0,
  ) {
    this.#core = core
    this.#lanes = lanes
    this.#copier = copier
    this.#store = store
    this.#job = job
    this.#standstill = job.standstill
    this.#payloadBytesMax = payloadBytesMax
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#core.journal.save()
  }

  /** What ends later than that may find the state file closed. */
  get #isStopped(): boolean {
    return this.#timer === null
  }

  #tick(): void {
    const { journal, turn, traffic } = this.#core
    journal.save()
    // With nothing to try it by, a standstill is over until proven otherwise.
    if (journal.size === 0 || !traffic.mirrored) this.#standstill.end(turn.tick())
    if (journal.size === 0 || this.#mustWait()) return
    if (this.#standstill.reason !== null) this.#try(turn.tick())
    while (this.#standstill.reason === null && !this.#solitary && this.#running < batchesMax) {
      const entries = journal.take(batchKeys, turn.tick())
      if (entries.length === 0) return
      const suspects = entries.filter((entry) => entry.losses >= suspectedLosses)
      const usual = entries.filter((entry) => entry.losses < suspectedLosses)
      const single = usual.filter((entry) => entry.attempts >= alone && !entry.long)
      const together = usual.filter((entry) => entry.attempts < alone && !entry.long)
      for (const entry of usual) if (entry.long) void this.#healLong(entry)
      if (together.length > 0) void this.#heal(together)
      for (const entry of single) void this.#heal([entry])
      if (suspects.length > 0) void this.#eachAlone(suspects)
    }
  }

  /** Behind a closed gate it is the flip that heals: an entry taken here could not be finished before the gate opens. */
  #mustWait(): boolean {
    const { traffic, board } = this.#core
    if (!traffic.mirrored || board.gates > 0 || this.#lanes.withheld) return true
    return sides.some((side) => !this.#lanes.lane(side).up || this.#lanes.orphaned(side))
  }

  /** One key, to see whether the servers take any again. */
  #try(nowMs: number): void {
    if (this.#running > 0 || !this.#standstill.isTrialDue(nowMs)) return
    const { journal } = this.#core
    const refused = this.#standstill.refused
    const entry = (refused === null ? null : journal.takeKey(refused.db, refused.key)) ?? journal.take(1, nowMs)[0]
    if (entry !== undefined) void this.#heal([entry], 'trial')
  }

  async #eachAlone(suspects: readonly DirtyEntry[]): Promise<void> {
    this.#solitary = true
    while (this.#running > 0) await delay(tickMs)
    for (const entry of suspects) {
      if (this.#mustWait() || this.#standstill.reason !== null) this.#core.journal.giveBack(entry)
      else await this.#heal([entry], 'solitary')
    }
    this.#solitary = false
  }

  async #heal(entries: readonly DirtyEntry[], manner: Manner = 'usual'): Promise<void> {
    this.#running++
    const before = entries.map((entry) => entry.generation)
    const first = entries[0] as DirtyEntry
    const keys = entries.map((entry) => entry.key)
    const cautious = entries.some((entry) => entry.distrusted)
    const outcome = await this.#copier.copy(first.db, keys, first.from, false, cautious, patienceWith(first.attempts))
    this.#running--
    const generations = entries.map(({ key }, i) => outcome.generations.get(key) ?? (before[i] as number))
    const long = new Set(outcome.long)
    for (const entry of entries) if (long.has(entry.key)) void this.#healLong(entry)
    await this.#settle(entries, generations, outcome, manner)
  }

  /** It takes its time, and holds up no other: not counted among those that run. */
  async #healLong(entry: DirtyEntry): Promise<void> {
    entry.long = true
    const before = entry.generation
    const outcome = await this.#copier.copy(
      entry.db,
      [entry.key],
      entry.from,
      false,
      entry.distrusted,
      patienceWith(entry.attempts),
    )
    await this.#settle([entry], [outcome.generations.get(entry.key) ?? before], outcome, 'usual')
  }

  async #settle(
    entries: readonly DirtyEntry[],
    generations: readonly number[],
    outcome: CopyOutcome,
    manner: Manner,
  ): Promise<void> {
    const { journal, turn, counters } = this.#core
    const again = new Set([...outcome.busy, ...outcome.unknown])
    const elsewhere = new Set(outcome.long)
    const absent = new Set(outcome.absent)
    const skipped = new Set(outcome.skipped)
    const endOf = (key: Buffer): HealEnd => (absent.has(key) ? 'vanished' : skipped.has(key) ? 'skipped' : 'copied')
    const refusals = new Map(outcome.failed.map((refusal) => [refusal.key, refusal]))
    const wasCut = outcome.lost !== null && failureClassOf(outcome.lost) === 'lost'
    const healed: Record<HealEnd, DirtyEntry[]> = { copied: [], vanished: [], skipped: [] }
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as DirtyEntry
      if (elsewhere.has(entry.key)) continue
      const refusal = refusals.get(entry.key)
      if (again.has(entry.key)) {
        if (wasCut) await this.#cutOff(entry, outcome.lost as string, manner)
        else journal.postpone(entry, turn.nowMs)
      } else if (refusal !== undefined) await this.#refused(entry, refusal.error, refusal.side, manner)
      else {
        if (manner === 'trial') this.#standstill.end(turn.nowMs)
        const end = endOf(entry.key)
        if (!journal.healed(entry, generations[i] as number, end)) continue
        counters.journal.heals++
        healed[end].push(entry)
      }
    }
    if (Object.values(healed).every(({ length }) => length === 0)) return
    this.#job.healed()
    if (healed.copied.length > 0) this.#standstill.took()
    if (this.#isStopped) return
    for (const end of healEnds) journal.settle(healed[end], end)
  }

  async #refused(entry: DirtyEntry, error: string, side: Side, manner: Manner): Promise<void> {
    const { journal, turn } = this.#core
    const failure = failureClassOf(error)
    const policy = failurePolicies[failure]
    if (stopsAll(failure)) {
      const refusal = { failure, side, error, db: entry.db, key: entry.key }
      if (manner === 'trial') this.#standstill.goOn(refusal, turn.nowMs)
      else this.#standstill.begin(refusal, turn.nowMs)
      journal.giveBack(entry)
      return
    }
    if (manner === 'trial') this.#standstill.end(turn.nowMs)
    entry.troubledAt ||= Date.now()
    if (++entry.refusals < (policy.attemptsMax ?? 0)) journal.postpone(entry, turn.nowMs, policy)
    else await this.#giveUp(entry, error, side)
  }

  /** It may be this value that ends the connection, or anything else; told apart by trying it alone. */
  async #cutOff(entry: DirtyEntry, error: string, manner: Manner): Promise<void> {
    const { journal, turn } = this.#core
    const policy = failurePolicies.lost
    entry.troubledAt ||= Date.now()
    if (entry.losses < suspectedLosses || manner === 'solitary') entry.losses++
    if (entry.losses < (policy.attemptsMax ?? 0)) journal.postpone(entry, turn.nowMs, policy)
    else await this.#giveUp(entry, error, null)
  }

  async #giveUp(entry: DirtyEntry, error: string, side: Side | null): Promise<void> {
    const { db, key, from, troubledAt } = entry
    const { counters, journal, traffic } = this.#core
    const facts = await factsOf(this.#lanes.lane(from), db, key, this.#payloadBytesMax)
    // The next run finds it in the journal.
    if (this.#isStopped) return
    counters.journal.healFailures++
    const failed = {
      db,
      key,
      ...facts,
      attempts: entry.refusals + entry.losses,
      failure: failureClassOf(error),
      saidBy: side,
      from: from === traffic.authority ? 'authority' : from,
      error,
      firstAt: troubledAt,
      lastAt: Date.now(),
    } as const
    this.#store.addFailed(failed, journal.drop(entry, 'exported'))
    this.#tell(error)
  }

  /** One event for many keys: they may be refused by the thousand. */
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
}

const patienceWith = (attempts: number): number => (attempts < alone ? 1 : Math.min(patienceMax, 2 ** (attempts - alone + 1)))
