/**
 * Every connection to the two sides: one pair of lanes per set of client credentials, and Ferry's own service lane to each side for
 * copies. Watches the followers: one that is silent for too long with commands in flight is cut off, and its keys go to the journal.
 */
import { createHash } from 'node:crypto'
import type { CommandSpec } from '../commands/spec.ts'
import type { EventLog } from '../observe/events.ts'
import { crossesSlots } from '../routing/cluster-route.ts'
import type { DatabaseLayout } from '../routing/database-layout.ts'
import { otherSide, type Side } from '../routing/modes.ts'
import { stripeCount } from '../routing/stripe.ts'
import { ContextRefused } from '../upstream/context-switch.ts'
import type { Endpoint } from '../upstream/endpoint.ts'
import type { Credentials } from '../upstream/handshake.ts'
import { Lane, type LaneOwner } from '../upstream/lane.ts'
import { PinnedPool } from '../upstream/pinned-pool.ts'
import type { Turn } from '../upstream/turn.ts'
import { type DbKey, framesIn, keysOf, specOf } from './command-keys.ts'
import type { Core } from './core.ts'
import { FormerConnections } from './former-connections.ts'
import { LanePair } from './lane-pair.ts'
import type { Parked } from './order-board.ts'
import type { SlotLayout } from './slot-layout.ts'

const watchMs = 100
const clocksEveryMs = 5_000
/** How long a pair without clients is kept: longer than an admission takes, and than a client needs to come back. */
const idlePairMs = 60_000
const refusedPairMs = 10_000
/** A pair's number fits a byte; far more users than that cannot share one event loop either. */
export const pairsMax = 255

const noCredentials: Credentials = { username: null, password: null }

export class Lanes implements LaneOwner {
  readonly endpoints: Readonly<Record<Side, Endpoint>>
  /** Connections that one client has to itself for a while. */
  readonly pinned = new PinnedPool()
  readonly #turn: Turn
  readonly #events: EventLog
  readonly #followerTimeoutMs: number
  readonly #pairs = new Map<string, LanePair>()
  readonly #byId = new Map<number, LanePair>()
  readonly #service: Record<Side, Lane>
  /** Connections of a process before this one, which did not end in order. */
  readonly former = new FormerConnections()
  /** Null but for a side that is a cluster. */
  readonly layouts: Record<Side, SlotLayout | null> = { source: null, target: null }
  /** How the target's databases stand for the source's; null: they are the same. */
  databases: DatabaseLayout | null = null
  /** Told of every connection, see Lane.opened. */
  opened: (lane: Lane) => void = () => undefined
  /** Whether clients' lanes to the target wait for `letOn`: nothing of theirs may be written there before it was asked what it has. */
  withheld = false
  readonly #runIds: Record<Side, string | null> = { source: null, target: null }
  /** Told which start of each server is known now, once what follows from it was done. */
  startSeen: (runIds: Readonly<Record<Side, string | null>>) => void = () => {}
  #waiting = new Set<Parked>()
  #clocksMs = 0
  #timer: NodeJS.Timeout | null = null
  #opened = (lane: Lane): void => this.opened(lane)
  #core: Core | null = null

  constructor(endpoints: Readonly<Record<Side, Endpoint>>, turn: Turn, events: EventLog, followerTimeoutMs: number) {
    this.endpoints = endpoints
    this.#turn = turn
    this.#events = events
    this.#followerTimeoutMs = followerTimeoutMs
    this.#service = { source: this.#serviceLane('source'), target: this.#serviceLane('target') }
  }

  start(core: Core): void {
    this.#core = core
    this.#service.source.connect()
    this.#service.target.connect()
    this.anonymousPair()
    this.#timer = setInterval(() => this.#watch(), watchMs)
  }

  /** Resolves once every lane has been connected, or is known not to be, or `limitMs` are over. */
  async tried(limitMs: number): Promise<void> {
    const deadlineMs = performance.now() + limitMs
    const pending = (): boolean => [...this.all()].some((lane) => !lane.tried)
    while (pending() && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    for (const lane of this.all()) lane.close()
    this.pinned.stop()
  }

  /** Ferry's own lane to a side, with the credentials of its configuration. */
  lane(side: Side): Lane {
    return this.#service[side]
  }

  pair(id: number): LanePair | undefined {
    return this.#byId.get(id)
  }

  *all(): Generator<Lane> {
    yield this.#service.source
    yield this.#service.target
    for (const pair of this.#pairs.values()) {
      yield pair.source
      yield pair.target
    }
  }

  /**
   * The pair for a client's credentials, made where it is not there yet; null when there are too many. The target's own credentials,
   * where its address has some, are used for everybody whom the source admitted, and for nobody else: such a lane is opened only then.
   */
  pairFor(credentials: Credentials): LanePair | null {
    const name = nameOf(credentials)
    const known = this.#pairs.get(name)
    if (known !== undefined) return known
    const id = this.#freeId() ?? this.#reclaimId()
    if (id === null) return null
    const mapped = this.endpoints.target.password !== null
    const source = new Lane('source', this.endpoints.source, credentials, this.#turn, this)
    const target = new Lane('target', this.endpoints.target, mapped ? this.endpoints.target : credentials, this.#turn, this)
    source.opened = this.#opened
    target.opened = this.#opened
    const pair = new LanePair(id, credentials.username ?? 'default', source, target, mapped ? source : null)
    this.#pairs.set(name, pair)
    this.#byId.set(id, pair)
    if (this.#pairs.size > 1 && this.#core !== null)
      this.#core.lastPair ??= new Uint8Array(stripeCount).fill(this.anonymousPair().id)
    source.connect()
    if (mapped || this.withheld) target.tried = true
    else target.connect()
    return pair
  }

  letOn(): void {
    this.withheld = false
    for (const { doorkeeper, target } of this.#pairs.values())
      if (doorkeeper === null || (doorkeeper.up && doorkeeper.admitted)) this.#letIn(target)
  }

  /** The oldest pair that nobody uses makes room. */
  #reclaimId(): number | null {
    for (const [name, pair] of this.#pairs) {
      if (name === nameOf(noCredentials) || !pair.idle) continue
      this.discard(pair)
      return pair.id
    }
    return null
  }

  /** Passwords that were wrong, or are not used any more, must not pile up. */
  #discardIdle(nowMs: number): void {
    for (const [name, pair] of this.#pairs) {
      if (name === nameOf(noCredentials)) continue
      if (!pair.idle) pair.idleSinceMs = 0
      else if (pair.idleSinceMs === 0) pair.idleSinceMs = nowMs
      else if (nowMs - pair.idleSinceMs > (pair.source.admitted ? idlePairMs : refusedPairMs)) this.discard(pair)
    }
  }

  /** The pair of clients that have not said who they are. Always there. */
  anonymousPair(): LanePair {
    return this.pairFor(noCredentials) as LanePair
  }

  /** Gives up a pair that no client uses. */
  discard(pair: LanePair): void {
    for (const [name, known] of this.#pairs) if (known === pair) this.#pairs.delete(name)
    this.#byId.delete(pair.id)
    pair.source.close()
    pair.target.close()
  }

  /** Calls `done` once every command sent to this side so far is answered; `false` if one was lost. */
  whenAnswered(side: Side, done: (answered: boolean) => void): void {
    let left = 1
    let all = true
    const one = (answered: boolean): void => {
      all &&= answered
      if (--left === 0) done(all)
    }
    for (const pair of this.#pairs.values()) {
      const lane = pair.lane(side)
      if (lane.inFlight === 0) continue
      left++
      lane.whenAnswered(one)
    }
    one(true)
  }

  /** Woken whenever any lane comes up. */
  wait(parked: Parked): void {
    this.#waiting.add(parked)
  }

  forget(parked: Parked): void {
    this.#waiting.delete(parked)
  }

  laneUp(lane: Lane): void {
    if (this.#core !== null) this.#core.counters.sides[lane.side].connects++
    this.#noticeRestart(lane)
    if (this.isService(lane)) void this.former.fence(lane)
    for (const pair of this.#pairs.values()) if (pair.doorkeeper === lane && lane.admitted) this.#letIn(pair.target)
    this.#wake()
  }

  /** The client that is being admitted waits for it a moment, or its first writes would go past a follower that is there. */
  #letIn(target: Lane): void {
    if (this.withheld) return
    if (!target.up) target.tried = false
    target.connect()
  }

  /** A former process knew this start of the server: if it was started anew since, that is noticed. Before the first connection. */
  expectRun(side: Side, runId: string): void {
    this.#runIds[side] = runId
  }

  /** A server that was started anew may have lost anything; its connections do not tell. */
  #noticeRestart({ side, runId }: Lane): void {
    const known = this.#runIds[side]
    if (runId === null || runId === known) return
    this.#runIds[side] = runId
    if (known !== null) this.#distrust(side, 'was restarted', true)
    this.startSeen(this.#runIds)
  }

  /** One of the servers behind a side lost what it had, or may have; the lanes to the others stayed up. */
  lostData(side: Side, runId: string, reason: string, restarted: boolean): void {
    this.#runIds[side] = runId
    this.#distrust(side, `lost data: ${reason}`, restarted)
    this.startSeen(this.#runIds)
  }

  /** A replica that takes over lacks the last moment at most: what it does not have was most likely deleted, and is not brought back. */
  #distrust(side: Side, what: string, restarted: boolean): void {
    const core = this.#core
    if (!core?.traffic.mirrored) return
    this.#events.record('side', `${side} ${what}`, { data: { authority: core.traffic.authority } })
    if (restarted) core.journal.distrust(side)
    core.doubtAll(`${side} ${what} and may have lost data`, side === core.traffic.authority)
  }

  /** Both sides have to agree on its keys again. */
  laneReordered(lane: Lane, frame: Buffer, db: number): void {
    const core = this.#core
    if (!core?.traffic.mirrored) return
    for (const args of framesIn(frame, 0, frame.length)) {
      for (const { db: at, key } of keysOf(specOf(args), args, db) ?? []) {
        core.counters.journal.marks++
        core.journal.mark(
          at,
          Buffer.from(key),
          core.traffic.authority,
          `${lane.side} ran it out of order: its slot was on the way`,
        )
      }
    }
  }

  laneDown(lane: Lane, error: Error): void {
    const core = this.#core
    if (error instanceof ContextRefused && core?.traffic.mirrored && lane.side === core.traffic.follower)
      core.doubtAll(`${lane.side}: ${error.message}, so commands may have run in another database`)
    if (lane.lastError !== 'closed' && this.isService(lane)) {
      this.#events.record('side', `${lane.side} is not reachable`, { reason: error.message })
    }
    this.#wake()
  }

  /** Whether a side takes only commands whose keys lie in one slot. */
  get clustered(): boolean {
    return this.endpoints.source.kind === 'cluster' || this.endpoints.target.kind === 'cluster'
  }

  /** Whether these do not, on such a side. */
  crossesSlots(spec: CommandSpec, keys: readonly DbKey[]): boolean {
    const { source, target } = this.endpoints
    if (source.kind === 'cluster' && crossesSlots(spec, keys)) return true
    if (target.kind !== 'cluster') return false
    const { keyPrefix } = target
    if (keyPrefix === null || keys.length < 2) return crossesSlots(spec, keys)
    return crossesSlots(
      spec,
      keys.map(({ db, key }) => ({ key: Buffer.concat([keyPrefix(db), key]) })),
    )
  }

  isService(lane: Lane): boolean {
    return this.#service[lane.side] === lane
  }

  inFlight(side: Side): number {
    let sum = 0
    for (const lane of this.all()) if (lane.side === side) sum += lane.inFlight
    return sum
  }

  /** Whether a side may still run commands of a connection that is lost: a copy made now could be overtaken by them. */
  orphaned(side: Side): boolean {
    if (this.former.pending(side)) return true
    for (const lane of this.all()) if (lane.side === side && lane.orphaned) return true
    return this.pinned.orphaned(side)
  }

  connections(side: Side): number {
    let sum = 0
    for (const lane of this.all()) if (lane.side === side && lane.up) sum++
    for (const lane of this.pinned.all()) if (lane.side === side && lane.up) sum++
    return sum
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const parked of waiting) parked.unpark()
  }

  /** Clocks drift: what a relative expiry becomes is reckoned with an offset that is seconds old at most. */
  #askClocks(nowMs: number): void {
    if (nowMs - this.#clocksMs < clocksEveryMs) return
    this.#clocksMs = nowMs
    for (const lane of [this.#service.source, this.#service.target]) if (lane.up) lane.askClock()
  }

  #watch(): void {
    const core = this.#core
    if (core === null) return
    const nowMs = this.#turn.tick()
    this.#askClocks(nowMs)
    this.#discardIdle(nowMs)
    const follower = otherSide(core.traffic.authority)
    for (const lane of this.all()) {
      if (lane.side !== follower || lane.inFlight === 0 || lane.paused || !lane.up) continue
      lane.noteWritten()
      if (nowMs - lane.progressMs > this.#followerTimeoutMs) {
        lane.stalled(new Error(`no answer within ${this.#followerTimeoutMs} ms`))
      }
    }
  }

  #serviceLane(side: Side): Lane {
    const endpoint = this.endpoints[side]
    const lane = new Lane(side, endpoint, endpoint, this.#turn, this)
    lane.opened = this.#opened
    return lane
  }

  #freeId(): number | null {
    for (let id = 1; id <= pairsMax; id++) if (!this.#byId.has(id)) return id
    return null
  }
}

/** Passwords are kept as a digest only, for telling pairs apart. */
function nameOf({ username, password }: Credentials): string {
  if (password === null) return 'none'
  return createHash('sha256')
    .update(`${username ?? 'default'}\0${password}`)
    .digest('base64')
}
