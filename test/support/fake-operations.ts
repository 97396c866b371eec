/** The running process as the control API and the CLI see it, without a process: plain values that a test may set. */
import type { Operations } from '../../src/control/operations.ts'
import type {
  EditRequest,
  ErrorsFilter,
  EventDocument,
  FailedKey,
  MigrationAnswer,
  MigrationRequest,
  MoverStatus,
  ReplayAnswer,
  ReplayRequest,
  StatusDocument,
  TrafficPatch,
  VerifyReport,
} from '../../src/control/schemas.ts'
import { FerryError } from '../../src/errors.ts'
import { moverDefaults } from '../../src/limits.ts'
import { EventLog } from '../../src/observe/events.ts'

export class FakeOperations implements Operations {
  readonly log = new EventLog({ nowMs: () => Date.UTC(2026, 0, 1) })
  /** Name and argument of every call that changes something. */
  readonly calls: [name: string, argument: unknown][] = []
  readonly document: StatusDocument = initialStatus()
  readonly failed: FailedKey[] = []
  readiness: { ready: boolean; reasons: string[] } = { ready: true, reasons: [] }
  blockers: string[] = []
  verdict: Partial<VerifyReport> = {}
  readonly #reports = new Map<string, VerifyReport>()

  status = (): StatusDocument => structuredClone(this.document)
  ready = () => this.readiness
  traffic = () => ({ ...this.document.traffic })

  async setTraffic({ reason, ...patch }: TrafficPatch) {
    this.calls.push(['setTraffic', { ...patch, reason }])
    Object.assign(this.document.traffic, patch)
    this.log.record('traffic', 'traffic changed', { reason })
    return this.traffic()
  }

  start = (request: MigrationRequest) => this.#step('start', request, () => this.#enter('mirror', 'running'))
  pause = (request: MigrationRequest) => this.#step('pause', request, () => this.#enter(this.document.phase, 'paused'))
  resume = (request: MigrationRequest) => this.#step('resume', request, () => this.#enter(this.document.phase, 'running'))
  rollback = (request: MigrationRequest) => this.#step('rollback', request, () => this.#enter('mirror', 'rolled_back'))
  complete = (request: MigrationRequest) => this.#step('complete', request, () => this.#enter('complete', 'completed'))

  ramp = (request: MigrationRequest & { percent: number }) =>
    this.#step('ramp', request, () => {
      this.#enter('canary', 'running')
      this.document.traffic.readPercentage = request.percent
    })

  cutover = (request: MigrationRequest) =>
    this.#step('cutover', request, () => {
      this.#enter('cutover', 'running')
      this.document.authority = 'target'
    })

  mover = (): MoverStatus => structuredClone(this.document.mover)

  setMover(patch: object): MoverStatus {
    this.calls.push(['setMover', patch])
    Object.assign(this.document.mover.limits, patch)
    return this.mover()
  }

  moverStart = async (request: object) => {
    this.calls.push(['moverStart', request])
    return this.#moverTo('running')
  }
  moverPause = () => this.#moverTo('paused')
  moverResume = () => this.#moverTo('running')
  moverStop = () => this.#moverTo('idle')

  errors(cursor: number, limit: number, filter: ErrorsFilter, withPayload: boolean) {
    if (Object.keys(filter).length > 0 || withPayload) this.calls.push(['errors', { ...filter, withPayload }])
    const fit = this.failed.filter((item) => filter.class === undefined || item.class === filter.class)
    const later = fit.filter(({ id }) => id > cursor)
    const items = later.slice(0, limit)
    const nextCursor = later.length > limit ? (items.at(-1)?.id ?? null) : null
    const byClass = fit.length === 0 ? {} : { 'target-out-of-memory': fit.length }
    return { total: fit.length, byClass, items, nextCursor }
  }

  async replayErrors(request: ReplayRequest): Promise<ReplayAnswer> {
    this.calls.push(['replayErrors', request])
    const replayed = request.ids?.length ?? this.failed.length
    return { replayed, settled: Math.max(0, replayed - 1), failed: Math.min(1, replayed), waiting: 0 }
  }

  editErrors(request: EditRequest): number {
    this.calls.push(['editErrors', request])
    return request.ids?.length ?? this.failed.length
  }

  async verify(request: object): Promise<VerifyReport> {
    this.calls.push(['verify', request])
    const report = { ...emptyReport(String(this.#reports.size + 1)), ...this.verdict }
    this.#reports.set(report.id, report)
    return { ...report, state: 'running', finishedAt: null }
  }

  verification = (id: string) => this.#reports.get(id) ?? null
  stopVerification = async (id: string) => {
    this.calls.push(['stopVerification', id])
    return this.verification(id)
  }
  divergence = () => ({ total: 0, byFamily: {}, recent: [] })
  events = (after: number, listener: (event: EventDocument) => void) => this.log.follow(after, listener)

  #enter(phase: StatusDocument['phase'], state: StatusDocument['state']): void {
    this.document.phase = phase
    this.document.state = state
  }

  async #step(name: string, request: MigrationRequest, apply: () => void): Promise<MigrationAnswer> {
    this.calls.push([name, request])
    const { phase } = this.document
    if (request.expectedPhase !== undefined && request.expectedPhase !== phase) {
      throw new FerryError('phase-conflict', `expected phase ${request.expectedPhase}, it is ${phase}`)
    }
    if (this.blockers.length > 0 && request.dryRun !== true) {
      throw new FerryError('blocked', `${this.blockers.length} things block this step`, { details: this.blockers })
    }
    if (request.dryRun !== true) {
      apply()
      this.log.record('phase', `${name} applied`, { reason: request.reason })
    }
    return { applied: request.dryRun !== true, blockers: [...this.blockers], steps: [`${name} step`], status: this.status() }
  }

  #moverTo(state: MoverStatus['state']): MoverStatus {
    this.calls.push(['mover', state])
    this.document.mover.state = state
    return this.mover()
  }
}

export function failedKey(id: number): FailedKey {
  const at = '2026-01-01T00:00:00.000Z'
  const key = `key:${id}`
  return {
    id,
    db: 0,
    keyBase64: Buffer.from(key).toString('base64'),
    key,
    type: 'string',
    sizeBytes: 10,
    ttlMs: null,
    attempts: 5,
    class: 'target-out-of-memory',
    error: 'OOM command not allowed',
    saidBy: 'target',
    from: 'authority',
    state: 'open',
    note: null,
    payloadBase64: null,
    firstAt: at,
    lastAt: at,
  }
}

export function emptyReport(id: string): VerifyReport {
  return {
    id,
    state: 'done',
    stage: 'ended',
    scope: 'full',
    resumed: null,
    keysTotal: 2000,
    keysScanned: 2000,
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:00:01.000Z',
    keysCompared: 1000,
    keysPerSecond: 1000,
    differences: 0,
    typeDifferences: 0,
    missing: 0,
    extra: 0,
    ttlDifferences: 0,
    repaired: 0,
    types: [],
    patterns: [],
    patternKeysLeftOut: 0,
    looks: { bytes: 1000, payload: 0, digest: 0, value: 0 },
    samples: [],
    error: null,
  }
}

function initialStatus(): StatusDocument {
  const side = (port: number) => ({
    state: 'up' as const,
    url: `redis://127.0.0.1:${port}/0`,
    server: 'redis 7.0.15',
    connections: 2,
    inFlight: 3,
    lastError: null,
  })
  return {
    version: '0.1.0',
    phase: 'mirror',
    state: 'running',
    strategy: 'canary',
    authority: 'source',
    traffic: { readMode: 'ratio', writePolicy: 'old-authoritative', readPercentage: 20, ratioBy: 'slot', tenants: [] },
    source: side(6379),
    target: side(6380),
    mover: {
      state: 'running',
      pass: 'copy',
      keysTotal: 1000,
      keysScanned: 500,
      keysCopied: 490,
      keysDeleted: 5,
      keysRetried: 4,
      keysFailed: 1,
      bytesCopied: 64_000,
      keysPerSecond: 250,
      bytesPerSecond: 32_000,
      etaSeconds: 2,
      startedAt: '2026-01-01T00:00:00.000Z',
      throttle: null,
      speedPercent: 100,
      lastError: null,
      account: { scanned: 500, copied: 490, skipped: 0, vanished: 5, exported: 1, waiting: 4 },
      limits: { ...moverDefaults },
    },
    journal: { dirtyKeys: 7, openHolds: 2, healed: 11, failed: 1, resyncNeeded: null },
    besideKeys: {
      functions: { source: 2, target: 2, differing: 0 },
      users: { source: 3, target: 1, differing: 2 },
      settings: { source: null, target: 210, differing: null },
      askedAt: '2026-01-01T00:00:00.000Z',
    },
    coveragePercent: 50,
    clients: 8,
    commandsTotal: 123_456,
    clientErrorsTotal: 0,
    divergencesTotal: 0,
    holdWaitMaxMs: 3.5,
    verification: { at: null, differences: null, ageSeconds: null, maxAgeSeconds: null },
    blockers: [],
    nextSteps: ['ferry ramp 40'],
    uptimeSeconds: 61,
  }
}
