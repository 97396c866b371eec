/** Everything that one Ferry process is made of, put together. No behaviour: what each part does is in its own file. */
import { allCommands } from '../commands/catalogue.ts'
import { endpointOf } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { Core } from '../dispatch/core.ts'
import { Journal } from '../dispatch/journal.ts'
import { Lanes } from '../dispatch/lanes.ts'
import { OrderBoard } from '../dispatch/order-board.ts'
import { ReadPath } from '../dispatch/read-path.ts'
import { Traffic } from '../dispatch/traffic.ts'
import { TransactionPath } from '../dispatch/transaction-path.ts'
import { WritePath } from '../dispatch/write-path.ts'
import { eventsKept } from '../limits.ts'
import { Flip } from '../migration/flip.ts'
import { Migration } from '../migration/migration.ts'
import { loadMigration, type MigrationRecord } from '../migration/state.ts'
import { Copier } from '../mover/copier.ts'
import { ExpiryWatch } from '../mover/expiry-watch.ts'
import { Healer } from '../mover/healer.ts'
import { MoverJob } from '../mover/job.ts'
import { Counters } from '../observe/counters.ts'
import { EventLog } from '../observe/events.ts'
import { createLatencies } from '../observe/histograms.ts'
import { ProxyServer } from '../proxy/server.ts'
import { DatabaseCheck } from '../session/database-check.ts'
import type { Session } from '../session/session.ts'
import type { SessionContext } from '../session/session-context.ts'
import { openStore, type Store } from '../state/store.ts'
import { Turn } from '../upstream/turn.ts'

export interface Parts {
  readonly config: Config
  readonly store: Store
  readonly core: Core
  readonly lanes: Lanes
  readonly job: MoverJob
  readonly healer: Healer
  readonly expiries: ExpiryWatch
  readonly migration: Migration
  readonly sessions: Map<number, Session>
  readonly server: ProxyServer
  readonly startedAtMs: number
}

/** @throws FerryError where the state file or an address cannot be used. */
export function buildParts(config: Config, infoRows: (parts: Parts) => readonly string[]): Parts {
  const endpoints = { source: endpointOf(config.source), target: endpointOf(config.target) }
  const store = openStore(config.state)
  const record = loadMigration(store) ?? firstRecord(config)
  const turn = new Turn()
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
  turn.onTurn = (tookMs) => core.latencies.added.record(tookMs * 1000)
  const lanes = new Lanes(endpoints, turn, events, config.limits.followerTimeoutMs)
  const copier = new Copier(core, lanes, process.env.FERRY_UNSAFE_NO_HOLD !== '1')
  const job = new MoverJob(core, lanes, copier, store, config.mover)
  const writes = new WritePath(core, lanes)
  const sessions = new Map<number, Session>()
  const shared: SessionContext = {
    core,
    lanes,
    writes,
    transactions: new TransactionPath(core, lanes, writes),
    reads: new ReadPath(core, config.versions, config.readRepair),
    databases: new DatabaseCheck(core, lanes),
    requestLimits: config.limits,
    sessions,
    infoRows: () => infoRows(parts),
  }
  const parts: Parts = {
    config,
    store,
    core,
    lanes,
    job,
    healer: new Healer(core, lanes, copier, store),
    expiries: new ExpiryWatch(core, endpoints),
    migration: new Migration(core, lanes, job, new Flip(core, lanes, copier), store, record),
    sessions,
    server: new ProxyServer(shared, config.limits.clientsMax),
    startedAtMs: Date.now(),
  }
  return parts
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
  }
}
