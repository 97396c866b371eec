/** The shared state of the data path: one per process. Holds no behaviour of its own beyond what several stages need in one line. */
import type { Counters } from '../observe/counters.ts'
import type { EventLog } from '../observe/events.ts'
import type { Latencies } from '../observe/histograms.ts'
import type { Lane } from '../upstream/lane.ts'
import type { Turn } from '../upstream/turn.ts'
import type { Journal } from './journal.ts'
import type { LanePair } from './lane-pair.ts'
import type { OrderBoard } from './order-board.ts'
import type { Traffic } from './traffic.ts'

export interface PathLimits {
  readonly inFlightCommandsMax: number
  readonly laneBufferBytes: number
  readonly outputBufferBytes: number
  readonly authorityWaitMs: number
  readonly holdWaitMs: number
}

export class Core {
  /** Which pair wrote to each stripe last; only kept while `pairs` is above 1. */
  lastPair: Uint8Array | null = null
  /** How often everything came into doubt: a copy that began before the last time does not end it. */
  doubts = 0
  readonly turn: Turn
  readonly board: OrderBoard
  readonly journal: Journal
  readonly traffic: Traffic
  readonly counters: Counters
  readonly latencies: Latencies
  readonly events: EventLog
  readonly limits: PathLimits

  constructor(parts: {
    turn: Turn
    board: OrderBoard
    journal: Journal
    traffic: Traffic
    counters: Counters
    latencies: Latencies
    events: EventLog
    limits: PathLimits
  }) {
    this.turn = parts.turn
    this.board = parts.board
    this.journal = parts.journal
    this.traffic = parts.traffic
    this.counters = parts.counters
    this.latencies = parts.latencies
    this.events = parts.events
    this.limits = parts.limits
  }

  authorityLane(pair: LanePair): Lane {
    return pair.lane(this.traffic.authority)
  }

  /** The follower's lane where it can take writes now, else null: it is down, refuses us, or has too much waiting. */
  followerLane(pair: LanePair): Lane | null {
    const lane = pair.lane(this.traffic.follower)
    return this.accepts(lane) ? lane : null
  }

  /** Something was changed that cannot be told key by key: no key counts as copied until everything is copied again. */
  doubtAll(reason: string): void {
    if (this.journal.resyncReason === null) {
      this.events.record('journal', 'the whole data set has to be copied again', { reason })
    }
    this.doubts++
    this.journal.resync(reason)
    this.traffic.cover(0)
  }

  accepts(lane: Lane): boolean {
    return (
      lane.up &&
      lane.admitted &&
      lane.inFlight < this.limits.inFlightCommandsMax &&
      lane.bufferedBytes < this.limits.laneBufferBytes
    )
  }
}
