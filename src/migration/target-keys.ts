/**
 * Whether the target's keys may be overwritten and removed, which is what a copy does with them. Learned once, before Ferry writes there:
 * an empty target is Ferry's own from the first write on, and one with keys is not copied to until somebody gives them up or empties it.
 *
 * Ours stays ours, through rollbacks, restarts and a second start: what it has then are our own copies. Only another address is asked anew.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Core } from '../dispatch/core.ts'
import { TransferLost } from '../dispatch/key-transfer.ts'
import { databaseRefusal } from '../dispatch/known-databases.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { FerryError } from '../errors.ts'
import { type ForeignKeys, foreignKeys, foreignText } from '../mover/foreign-keys.ts'
import { keyCounts, missingKeys } from '../mover/scan.ts'
import { isLeftOut } from '../routing/database-layout.ts'
import type { Endpoint } from '../upstream/endpoint.ts'
import type { Lane } from '../upstream/lane.ts'
import type { Memory } from './memory.ts'
import type { TargetKeysRecord } from './state.ts'

/** What becomes of keys that the target has, as a step may be asked with. */
export type OnConflict = 'refuse' | 'replace'

/** As long as it could not be asked. */
const askEveryMs = 100
/** Whether its operator has emptied it meanwhile; steps ask at once. */
const lookEveryMs = 5_000
/** A key that is removed on both sides is gone from one of them a moment earlier. */
const settleMs = 100

const help =
  'Empty it, or start with onConflict=replace (CLI: --on-conflict replace): what the source has takes its place, and what the source does not have is removed'

export class TargetKeys {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #memory: Memory
  readonly #givenUp: boolean
  readonly #record: TargetKeysRecord
  /** Why it could not be asked. */
  #failure: string | null = null
  #looking: Promise<void> | null = null
  #lookedMs = Number.NEGATIVE_INFINITY

  /** `givenUp`: by the configuration, whatever it has. Clients' lanes to a target that has to be asked first wait until it was. */
  constructor(core: Core, lanes: Lanes, memory: Memory, givenUp: boolean) {
    this.#core = core
    this.#lanes = lanes
    this.#memory = memory
    this.#givenUp = givenUp
    const address = addressOf(lanes.endpoints.target)
    const known = memory.record.targetKeys
    // A record without a word about it is of a migration that is under way, and a target that has the truth is not copied to.
    const isOurs = known === null || memory.wish.phase === 'cutover' || memory.wish.phase === 'complete'
    if (isOurs) this.#record = { ...nothing, address, state: 'ours' }
    else if (known.address !== address) this.#record = { ...nothing, address }
    else this.#record = known
    memory.record.targetKeys = this.#record
    const { mirrored, authority } = core.traffic
    lanes.withheld = mirrored && authority === 'source' && this.#record.state === 'unasked' && !this.#record.written
  }

  /** Whether a copy may begin, in the direction that is the one now. */
  get permits(): boolean {
    return this.#record.state === 'ours' || this.#core.traffic.authority === 'target'
  }

  /** Why not, and what helps; null also where it is not reachable. */
  get problem(): string | null {
    const { state, text } = this.#record
    if (this.#givenUp || this.permits || state === 'empty') return null
    if (state === 'foreign') return `${text}. ${help}`
    if (this.#failure === null) return this.#lanes.lane('target').up ? 'it is not known yet what the target has' : null
    return `what the target has could not be asked (${this.#failure}). ${help}`
  }

  /** For whoever wants to copy now. @throws FerryError `blocked` */
  refuse(): void {
    if (this.permits) return
    const why = this.problem ?? 'the target is not reachable: what it has cannot be asked'
    throw new FerryError('blocked', 'nothing is copied to a target that may have keys of somebody else’s', { details: [why] })
  }

  lookIfDue(): void {
    const { state } = this.#record
    const everyMs = state === 'unasked' && this.#failure === null ? askEveryMs : lookEveryMs
    // Counting the keys of a folded target takes a walk over all of them.
    if (state === 'empty' || (state === 'foreign' && this.#lanes.databases?.kind === 'fold')) return
    if (performance.now() - this.#lookedMs >= everyMs) void this.look()
  }

  /** Asks the target where it is not known to be ours. What is found is told once, and stays known where it cannot be asked. */
  async look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
    })
    await this.#looking
  }

  /** The first copy or write is about to go there. `reason`: of whoever gives up what it has. */
  take(reason: string | undefined): void {
    const record = this.#record
    if (record.state === 'ours') return
    if (record.state !== 'empty') {
      this.#core.events.record('target', 'the keys that the target has are given up: onConflict=replace', {
        reason: reason ?? (this.#givenUp ? 'copy.onConflict of the configuration' : null),
        data: { found: record.text },
      })
    }
    this.#becomes('ours', null)
  }

  async #look(): Promise<void> {
    const lane = this.#lanes.lane('target')
    if (this.permits || !lane.up) return
    this.#lookedMs = performance.now()
    const written = this.#isWritten()
    try {
      if (!lane.admitted) throw new Error(lane.lastError ?? 'it wants credentials')
      const found = written ? await this.#notOfClients(lane) : await foreignKeys(lane, (db) => this.#isCarried(db))
      // Whoever has begun to write meanwhile, or has given the keys up, makes the answer worthless.
      if (this.permits || written !== this.#isWritten()) return
      if (found !== null) this.#found(found)
      this.#failure = null
    } catch (error) {
      if (error instanceof TransferLost) return
      this.#cannotAsk((error as Error).message)
    }
    this.#letOn()
  }

  /**
   * Where clients have written through Ferry already: what they wrote, the source has, too, so only what it lacks is foreign. Keys of the same
   * names may be somebody else's all the same; so a target that was found with keys counts as emptied only when most of them are gone. Null:
   * they are not.
   */
  async #notOfClients(lane: Lane): Promise<ForeignKeys[] | null> {
    if (this.#record.state === 'foreign') {
      let keys = 0
      for (const [db, count] of await keyCounts(lane)) if (await this.#isCarried(db)) keys += count.keys
      if (keys * 2 >= this.#record.keys) return null
    }
    const source = this.#lanes.lane('source')
    return foreignKeys(
      lane,
      (db) => this.#isCarried(db),
      async (db, keys) => {
        const lacking = await missingKeys(source, db, keys)
        if (lacking.length === 0) return []
        await delay(settleMs)
        const still = await missingKeys(source, db, lacking)
        const gone = new Set((await missingKeys(lane, db, still)).map((key) => key.toString('latin1')))
        return still.filter((key) => !gone.has(key.toString('latin1')))
      },
    )
  }

  /** What the target has where the source cannot have anything is left alone by every copy. */
  async #isCarried(db: number): Promise<boolean> {
    if (isLeftOut(this.#lanes.databases, db)) return false
    try {
      return (await databaseRefusal(this.#lanes.lane('source'), db)) === null
    } catch {
      return true
    }
  }

  /** Nothing else sends writes there before it is `ours`: mirrored traffic, unless it waits for the first answer. */
  #isWritten(): boolean {
    this.#record.written ||= this.#core.traffic.mirrored && !this.#lanes.withheld
    return this.#record.written
  }

  #found(found: readonly ForeignKeys[]): void {
    const { mirrored } = this.#core.traffic
    const { events } = this.#core
    const wasForeign = this.#record.state === 'foreign'
    if (found.length === 0) {
      if (wasForeign) events.record('target', 'the target has no keys of somebody else’s any more')
      this.#becomes(mirrored ? 'ours' : 'empty', null)
      return
    }
    const text = foreignText(found, this.#lanes.databases)
    this.#record.keys = found.reduce((sum, { keys }) => sum + keys, 0)
    this.#becomes('foreign', text)
    if (mirrored && this.#givenUp) this.take(undefined)
    else if (!wasForeign) events.record('target', `${text}: it is not copied to`, { reason: help })
  }

  #cannotAsk(failure: string): void {
    const before = this.#failure
    this.#failure = failure
    if (this.#core.traffic.mirrored && this.#givenUp) this.take(undefined)
    else if (before !== failure)
      this.#core.events.record('target', 'it is not known what the target has: it is not copied to', { reason: failure })
  }

  #becomes(state: TargetKeysRecord['state'], text: string | null): void {
    if (state !== 'foreign') Object.assign(this.#record, { keys: 0, written: false })
    Object.assign(this.#record, { state, text })
    this.#memory.save()
    if (state === 'ours') this.#letOn()
  }

  #letOn(): void {
    if (!this.#lanes.withheld) return
    this.#lanes.letOn()
    this.#isWritten()
    this.#memory.save()
  }
}

const nothing = { state: 'unasked', written: false, keys: 0, text: null } as const

const addressOf = ({ redacted }: Endpoint): string => redacted.replace(/\/\/[^@/]*@/, '//')
