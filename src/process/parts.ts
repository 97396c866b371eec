/** Everything that one Ferry process is made of, put together. No behaviour: what each part does is in its own file. */

import { attach, type SidesBehind, sidesBehind } from '../cluster/sides.ts'
import { allowableName, allowableNames, isAllowable } from '../commands/allowances.ts'
import { allCommands } from '../commands/catalogue.ts'
import { endpointOf } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { accessCarryOf } from '../dispatch/access-carry.ts'
import { Core } from '../dispatch/core.ts'
import { Intents } from '../dispatch/intents.ts'
import { Journal } from '../dispatch/journal.ts'
import { KeyWatch } from '../dispatch/key-watch.ts'
import { Lanes } from '../dispatch/lanes.ts'
import { OrderBoard } from '../dispatch/order-board.ts'
import { ReadPath } from '../dispatch/read-path.ts'
import { ScriptPath } from '../dispatch/script-path.ts'
import { Traffic } from '../dispatch/traffic.ts'
import { TransactionPath } from '../dispatch/transaction-path.ts'
import { WritePath } from '../dispatch/write-path.ts'
import { FerryError } from '../errors.ts'
import { eventsKept } from '../limits.ts'
import { Flip } from '../migration/flip.ts'
import { type Gates, Migration } from '../migration/migration.ts'
import { loadMigration, type MigrationRecord } from '../migration/state.ts'
import { Copier } from '../mover/copier.ts'
import { ExpiryWatch } from '../mover/expiry-watch.ts'
import { Healer } from '../mover/healer.ts'
import { MoverJob } from '../mover/job.ts'
import { Counters } from '../observe/counters.ts'
import { EventLog } from '../observe/events.ts'
import { createLatencies } from '../observe/histograms.ts'
import { ProxyServer } from '../proxy/server.ts'
import { whatLeavesDifferences } from '../routing/copy-rules.ts'
import { databaseLayoutOf } from '../routing/database-layout.ts'
import { type Side, sides } from '../routing/modes.ts'
import { ClientPause } from '../session/client-pause.ts'
import { DatabaseCheck } from '../session/database-check.ts'
import { Monitors } from '../session/monitor.ts'
import { MultiCheck } from '../session/multi-check.ts'
import type { Session } from '../session/session.ts'
import type { SessionContext } from '../session/session-context.ts'
import { Subscribers } from '../session/subscribers.ts'
import { TrackingRegistry } from '../session/tracking-registry.ts'
import { IntentLog } from '../state/intent-log.ts'
import { openStore, type Store } from '../state/store.ts'
import { Turn } from '../upstream/turn.ts'
import { BesideKeysWatch } from './beside-keys.ts'
import { clusterViewOf } from './cluster-view.ts'
import { isSafe } from './unsafe.ts'

export interface Parts {
  readonly config: Config
  readonly store: Store
  readonly core: Core
  readonly lanes: Lanes
  readonly behind: SidesBehind
  readonly intents: Intents | null
  readonly keyWatch: KeyWatch
  readonly scripts: ScriptPath
  readonly job: MoverJob
  readonly healer: Healer
  readonly expiries: ExpiryWatch
  readonly beside: BesideKeysWatch
  readonly migration: Migration
  readonly sessions: Map<number, Session>
  readonly server: ProxyServer
  readonly startedAtMs: number
}

/** @throws FerryError where the state file or an address cannot be used. */
export function buildParts(config: Config, infoRows: (parts: Parts) => readonly string[]): Parts {
  mustKeepEqual(config)
  const store = openStore(config.state)
  const record = loadMigration(store) ?? firstRecord(config)
  const turn = new Turn()
  const behind = sidesOf(config, turn)
  const board = new OrderBoard()
  const events = new EventLog({
    restored: [...store.loadEvents(0, eventsKept)],
    sink: (event) => store.appendEvents([event]),
  })
  const core = new Core({
    turn,
    board,
    journal: new Journal(board, store, config.limits.journalKeysMax),
    traffic: new Traffic({ ...record, tenants: record.tenants }),
    counters: new Counters(allCommands.length),
    latencies: createLatencies(),
    events,
    limits: config.limits,
  })
  core.effects = isSafe('effects')
  core.journal.remembers = isSafe('journal')
  turn.onTurn = (tookMs) => core.latencies.added.record(tookMs * 1000)
  const lanes = new Lanes(behind.endpoints, turn, events, config.limits.followerTimeoutMs)
  rememberStarts(lanes, store)
  attach(behind, lanes)
  const intents = intentsOf(config.state, core, lanes, store)
  const { copier, job } = moverOf(config, core, lanes, store)
  const scripts = new ScriptPath(core, lanes, config.scripts.rerun)
  const writes = new WritePath(core, lanes, scripts)
  const sessions = new Map<number, Session>()
  const trackings = new TrackingRegistry()
  const subscribers = new Subscribers(core)
  core.flipListeners.push(trackings, subscribers, { prepare: async () => undefined, flipped: () => store.decideFailed() })
  const shared: SessionContext = {
    core,
    lanes,
    writes,
    transactions: new TransactionPath(core, lanes, writes),
    reads: new ReadPath(core, config.versions, config.readRepair),
    databases: new DatabaseCheck(core, lanes),
    multis: new MultiCheck(),
    subscribers,
    monitors: new Monitors(config.limits.outputBufferBytes),
    requestLimits: config.limits,
    trackings,
    pauses: new ClientPause(),
    cluster: clusterViewOf(config, store),
    allowed: allowedOf(config.allowCommands),
    sessions,
    infoRows: () => infoRows(parts),
  }
  const parts: Parts = {
    config,
    store,
    core,
    lanes,
    behind,
    intents,
    keyWatch: keyWatchOf(core, lanes),
    scripts,
    job,
    healer: new Healer(core, lanes, copier, store, job, config.errorQueue.payloadBytesMax),
    expiries: new ExpiryWatch(core, behind.endpoints),
    beside: new BesideKeysWatch(behind.endpoints),
    migration: new Migration(core, lanes, job, new Flip(core, lanes, copier, job.functions), store, record, gatesOf(config)),
    sessions,
    server: new ProxyServer(shared, config.limits.clientsMax),
    startedAtMs: Date.now(),
  }
  job.functions.permitted = () => parts.migration.targetKeys.permits
  parts.migration.databases.used = () => new Set([...sessions.values()].map(({ db }) => db))
  if (intents !== null) intents.saveDoubts = () => parts.migration.memory.saveDoubts()
  return parts
}

const gatesOf = ({ gates, copy }: Config): Gates => ({ ...gates, targetGivenUp: copy.onConflict === 'replace' })

const sidesOf = ({ source, target }: Config, turn: Turn): SidesBehind =>
  sidesBehind({ source: endpointOf(source), target: endpointOf(target) }, turn, databaseLayoutOf(target.databases))

function moverOf({ mover }: Config, core: Core, lanes: Lanes, store: Store): { copier: Copier; job: MoverJob } {
  const { carryAccess, ...firstLimits } = mover
  const copier = new Copier(
    core,
    lanes,
    isSafe('hold'),
    null,
    true,
    accessCarryOf(carryAccess, core.events, core.limits.longValueBytes),
  )
  return { copier, job: new MoverJob(core, lanes, copier, store, firstLimits) }
}

const startsDocument = 'server-starts'

/** So that a server that is started anew while Ferry is not running is noticed by the next process. */
function rememberStarts(lanes: Lanes, store: Store): void {
  const known = store.loadDocument(startsDocument) as Partial<Record<Side, string | null>> | null | undefined
  for (const side of sides) {
    const runId = known?.[side]
    if (typeof runId === 'string') lanes.expectRun(side, runId)
  }
  lanes.startSeen = (runIds) => store.saveDocument(startsDocument, runIds)
}

function intentsOf(state: string, core: Core, lanes: Lanes, store: Store): Intents | null {
  if (state === ':memory:') return null
  const base = `${state}.intents`
  return new Intents(core, lanes, store, { file: new IntentLog(base), base }, isSafe('intents'))
}

function keyWatchOf(core: Core, lanes: Lanes): KeyWatch {
  const watch = new KeyWatch(core, lanes)
  core.waits.changes = watch
  core.flipListeners.push(watch)
  return watch
}

/** @throws FerryError for a name that cannot be allowed. */
function allowedOf(written: readonly string[]): ReadonlySet<string> {
  const names = written.map(allowableName)
  const wrong = names.find((name) => !isAllowable(name))
  if (wrong === undefined) return new Set(names)
  throw new FerryError('invalid-config', `allowCommands: '${wrong}' is not one of ${allowableNames.join(', ')}`)
}

/** Both sides get every write, and a copy that leaves them different would only make work for the comparison. */
function mustKeepEqual({ copy, source, target }: Config): void {
  const rule = whatLeavesDifferences(copy)
  const replicas = [source, target].some((side) => endpointOf(side).readsReplicas)
  if (rule === null && !replicas) return
  const what =
    rule === null
      ? 'url: ferry serve keeps both sides equal, which does not go with readFrom=replica'
      : `copy: ferry serve keeps both sides equal, which does not go with ${rule}`
  throw new FerryError('invalid-config', `${what}; it is for ferry copy`)
}

function firstRecord(config: Config): MigrationRecord {
  return {
    phase: config.phase,
    state: config.phase === 'observe' ? 'ready' : 'running',
    strategy: null,
    writePolicy: config.policy,
    readMode: config.readMode,
    readPercentage: config.percent,
    ratioBy: config.ratioBy,
    tenants: [...config.tenants],
    coveredSlots: 0,
    resyncReason: null,
    moving: false,
    verifiedAt: null,
    verifiedDifferences: null,
    verifiedFrom: null,
    unsureAt: null,
    // Of an address that none has: it is asked.
    targetKeys: { address: '', state: 'unasked', written: false, keys: 0, text: null },
  }
}
