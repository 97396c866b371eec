/** The mover without a proxy: the same lanes, copier, job and healing, with nobody else on the lanes. */
import { setTimeout as delay } from 'node:timers/promises'
import { attach, sidesBehind } from '../cluster/sides.ts'
import { allCommands } from '../commands/catalogue.ts'
import { accessCarryOf } from '../dispatch/access-carry.ts'
import { Core } from '../dispatch/core.ts'
import { Journal } from '../dispatch/journal.ts'
import { Lanes } from '../dispatch/lanes.ts'
import { OrderBoard } from '../dispatch/order-board.ts'
import { Traffic } from '../dispatch/traffic.ts'
import { FerryError } from '../errors.ts'
import { limitDefaults, moverDefaults } from '../limits.ts'
import { Counters } from '../observe/counters.ts'
import { EventLog } from '../observe/events.ts'
import { createLatencies } from '../observe/histograms.ts'
import type { AccessKind } from '../routing/access-kind.ts'
import { type CopyRules, isPlain, type SkipReason } from '../routing/copy-rules.ts'
import { type DatabaseLayout, type DatabaseSetting, databaseLayoutOf } from '../routing/database-layout.ts'
import { type Side, sides } from '../routing/modes.ts'
import { openStore, type Store } from '../state/store.ts'
import type { Endpoint } from '../upstream/endpoint.ts'
import type { Lane } from '../upstream/lane.ts'
import { Turn } from '../upstream/turn.ts'
import { Copier } from './copier.ts'
import { copyIdOf, newCopyId } from './copy-record.ts'
import { type Misfit, misfitsOf } from './database-fit.ts'
import { Healer } from './healer.ts'
import { MoverJob } from './job.ts'
import { RuledCopy } from './ruled-copy.ts'
import { StandstillLimit, type StandstillView } from './standstill-limit.ts'

export interface StandAlone {
  readonly core: Core
  readonly job: MoverJob
  readonly store: Store
  /** Ferry's own connection to each side. */
  readonly lanes: Readonly<Record<Side, Lane>>
  /**
   * Aborted where nothing may be copied any more, or nothing was for too long; `reason` is a FerryError, `blocked` or `interrupted`. The place is
   * kept for a later run.
   */
  readonly fault: AbortSignal
  /** The same for each run of a copy on one state file; without rules it means nothing. */
  readonly copyId: string
  /** How many keys were passed over, by the rule that said so; null without rules. */
  readonly skippedByRule: Readonly<Record<SkipReason, number>> | null
  /** Which server is waited for just now; null: none. */
  standstill(): StandstillView | null
  /** Databases of the source that have no place on the target, and are not left out by the rules. */
  misfits(): Promise<Misfit[]>
  /** Rejects with the reason of `fault`. */
  copyKeys(keys: readonly { db: number; key: Buffer }[]): Promise<void>
  /** Every key that had to wait is copied, or in the error queue. */
  settled(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

const connectMs = 10_000
/** Nobody is there to resume it: a target that runs out of memory is waited for when it refuses a key, see StandstillLimit. */
const unattended = { ...moverDefaults, targetMemoryPercentMax: 0, criticalTimes: 0 }
const pollMs = 5
const sourceRestarted =
  'the source was restarted and may have lost data: nothing was taken away from the target; look at the source, then start the copy again'

/**
 * `state` null keeps nothing for a later resume; `rules` null copies everything as it is, whatever the target has.
 * `standstillMs`: for so long a server is waited for that takes nothing; 0 = for ever.
 * @throws FerryError `endpoint-unreachable` where a side does not answer.
 */
export async function standAlone(
  endpoints: Readonly<Record<Side, Endpoint>>,
  state: string | null,
  rules: CopyRules | null = null,
  databases: DatabaseLayout | null = null,
  carries: AccessKind = 'none',
  payloadBytesMax = 0,
  standstillMs = 0,
): Promise<StandAlone> {
  const store = openStore(state ?? ':memory:')
  const turn = new Turn()
  const board = new OrderBoard()
  const events = new EventLog()
  const core = new Core({
    turn,
    board,
    journal: new Journal(board, store, limitDefaults.journalKeysMax),
    traffic: new Traffic({
      phase: 'mirror',
      writePolicy: 'old-authoritative',
      readMode: 'old',
      readPercentage: 0,
      ratioBy: 'slot',
      tenants: [],
    }),
    counters: new Counters(allCommands.length),
    latencies: createLatencies(),
    events,
    limits: limitDefaults,
  })
  const behind = sidesBehind(endpoints, turn, databases)
  const lanes = new Lanes(behind.endpoints, turn, events, limitDefaults.followerTimeoutMs)
  const plain = rules === null || isPlain(rules)
  const copyId = plain ? newCopyId() : copyIdOf(store, endpoints.target.redacted, rules)
  const carry = accessCarryOf(carries, events)
  const ruled = plain ? null : new RuledCopy(rules, copyId, limitDefaults.longValueBytes, carry)
  const copier = new Copier(core, lanes, true, ruled, false, carry)
  const job = new MoverJob(core, lanes, copier, store, unattended)
  const healer = new Healer(core, lanes, copier, store, job, payloadBytesMax)
  const fault = new AbortController()
  const giveUp = (error: FerryError): void => {
    healer.stop()
    // One that is through has no place any more.
    if (job.state !== 'done') job.stop(true)
    fault.abort(error)
  }
  const limit = new StandstillLimit(lanes, job.standstill, standstillMs, giveUp)
  // The truth is always the source's, and it is only read; but what it lost in a restart was deleted by nobody.
  lanes.startSeen = () => {
    if (core.recopy === 'held') giveUp(new FerryError('blocked', sourceRestarted))
  }
  const stop = async (): Promise<void> => {
    limit.stop()
    healer.stop()
    job.brake.stop()
    lanes.stop()
    behind.stop()
    store.close()
  }
  attach(behind, lanes)
  lanes.start(core)
  healer.start()
  job.brake.start()
  try {
    await reachable(lanes)
  } catch (error) {
    await stop()
    throw error
  }
  limit.start()
  const settled = async (signal: AbortSignal): Promise<void> => {
    while (core.journal.size > 0 && !signal.aborted && !fault.signal.aborted) await delay(pollMs)
  }
  return {
    core,
    job,
    store,
    lanes: { source: lanes.lane('source'), target: lanes.lane('target') },
    fault: fault.signal,
    copyId,
    standstill: () => limit.view(performance.now()),
    misfits: () => misfitsOf(lanes, 'source', ruled),
    skippedByRule: ruled?.skipped ?? null,
    settled,
    stop,
    copyKeys: async (keys) => {
      for (const { db, key } of keys) core.journal.mark(db, key, 'source', 'repair')
      await settled(new AbortController().signal)
      fault.signal.throwIfAborted()
    },
  }
}

/** @throws FerryError `invalid-config` */
export function layoutOf(databases: DatabaseSetting): DatabaseLayout | null {
  try {
    return databaseLayoutOf(databases)
  } catch (error) {
    throw new FerryError('invalid-config', `--databases: ${(error as Error).message}`)
  }
}

async function reachable(lanes: Lanes): Promise<void> {
  const deadlineMs = performance.now() + connectMs
  for (const side of sides) {
    const lane = lanes.lane(side)
    while (!lane.up && performance.now() < deadlineMs) await delay(pollMs)
    if (lane.up && lane.admitted) continue
    throw new FerryError('endpoint-unreachable', `${side} ${lane.endpoint.redacted}: ${lane.lastError ?? 'no answer'}`)
  }
}

/** Aborted by the first SIGINT or SIGTERM; a second one ends the process as usual. */
export function untilSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort())
  return controller.signal
}
