/** The shared state of the data path: one per process. Holds no behaviour of its own beyond what several stages need in one line. */
import { awaitedKeysMax, blockedClientsMax } from '../limits.ts'
import type { Counters } from '../observe/counters.ts'
import type { EventLog } from '../observe/events.ts'
import type { Latencies } from '../observe/histograms.ts'
import type { Side } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'
import type { Turn } from '../upstream/turn.ts'
import type { ReplyLane } from '../upstream/waiter.ts'
import type { DbKey } from './command-keys.ts'
import type { FlipListener } from './flip-listener.ts'
import { FormCheck } from './form-check.ts'
import type { IntentNotes } from './intent-notes.ts'
import type { Journal } from './journal.ts'
import type { LanePair } from './lane-pair.ts'
import { Libraries } from './libraries.ts'
import { WriteNotes } from './moving/write-notes.ts'
import type { OrderBoard } from './order-board.ts'
import type { Traffic } from './traffic.ts'
import { WaitBoard } from './wait-board.ts'

export interface PathLimits {
  readonly inFlightCommandsMax: number
  readonly laneBufferBytes: number
  readonly outputBufferBytes: number
  readonly authorityWaitMs: number
  readonly holdWaitMs: number
  readonly longHoldWaitMs: number
  readonly longValueBytes: number
}

export class Core {
  /** Which pair wrote to each stripe last; only kept while `pairs` is above 1. */
  lastPair: Uint8Array | null = null
  /** False only in a test that has to notice it: what two servers may do differently is then sent to both as it came. */
  effects = true
  /** How often everything came into doubt: a copy that began before the last time does not end it. */
  doubts = 0
  /** Sides whose expiries are not seen for the moment, though they were before: whatever is written meanwhile is copied afterwards. */
  readonly unseenExpiries = new Set<Side>()
  /** Whether everything is to be copied again: unasked, or only when somebody asks for it. */
  recopy: 'no' | 'due' | 'held' = 'no'
  /** Scripts under way of which it is not known yet what they wrote: any key may differ. */
  unseenScripts = 0
  readonly libraries = new Libraries()
  readonly forms = new FormCheck()
  readonly flipListeners: FlipListener[] = []
  /** Of long values that are copied while they are written to. */
  readonly notes: WriteNotes
  /** Null where the state is not kept: then a crash is followed by a whole copy. */
  intents: IntentNotes | null = null
  readonly turn: Turn
  readonly board: OrderBoard
  readonly waits: WaitBoard
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
    this.notes = new WriteNotes(parts.board)
    this.waits = new WaitBoard(parts.board, blockedClientsMax, awaitedKeysMax)
    this.journal = parts.journal
    this.traffic = parts.traffic
    this.counters = parts.counters
    this.latencies = parts.latencies
    this.events = parts.events
    this.limits = parts.limits
    this.journal.overflowed = (reason) => this.doubtAll(reason)
  }

  authorityLane(pair: LanePair): Lane {
    return pair.lane(this.traffic.authority)
  }

  /** The follower's lane where it can take writes now, else null: it is down, refuses us, or has too much waiting. */
  followerLane(pair: LanePair): Lane | null {
    const lane = pair.lane(this.traffic.follower)
    return this.accepts(lane) ? lane : null
  }

  /**
   * These keys may differ: they are copied from the authority. `keepsTruth`: where somebody else decides about a key by now, it goes on to;
   * for a write that nobody was told has run, what a client was told by the follower would be lost otherwise.
   */
  doubt(keys: readonly DbKey[], reason: string, keepsTruth = false): void {
    const { journal, traffic, counters } = this
    counters.journal.marks += keys.length
    for (const { db, key } of keys)
      journal.mark(db, key, (keepsTruth ? journal.truthOf(db, key) : null) ?? traffic.authority, reason)
  }

  /**
   * Something was changed that cannot be told key by key: no key counts as copied until everything is copied again. That is begun unasked
   * where something had been copied, unless the side to copy from may be the one that lost it: `held` leaves the decision to a person.
   */
  doubtAll(reason: string, held = false): void {
    if (this.journal.resyncReason === null) {
      this.events.record('journal', 'the whole data set has to be copied again', { reason })
    }
    if (held) this.recopy = 'held'
    else if (this.recopy === 'no' && this.traffic.coveredSlots > 0) this.recopy = 'due'
    this.doubts++
    this.intents?.doubt(reason)
    this.notes.changedAll(reason)
    this.journal.resync(reason)
    this.traffic.cover(0)
  }

  /** Counts what a side has answered as one; `sentMs`: turn clock. Returns how long it took, µs. */
  answered({ side, errors }: ReplyLane, sentMs: number): number {
    const tookUs = (this.turn.nowMs - sentMs) * 1000
    this.counters.sides[side][errors > 0 ? 'error' : 'ok']++
    this.latencies[side].record(tookUs)
    return tookUs
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
