/**
 * What is noted in the intent log, and when it is settled. Everything that may reach one side alone is noted before it is sent: plain runs by
 * their bytes, once per turn and right before the lanes are flushed; the rest by its keys, when it is decided; what cannot be named, as a
 * doubt about everything. A mark of the journal is noted until the state file has it.
 *
 * A segment of the log may go once nothing noted in it is under way: every ticket that was open then is finished, after that both sides have
 * answered what was sent, after that the journal is saved, and a little later, when the servers' word of expiries has come in, too. So
 * whoever sends writes on a connection that is not one of `lanes` holds a ticket on their keys until they are answered.
 */
import { randomBytes } from 'node:crypto'
import { intentLogBytesMax } from '../limits.ts'
import type { Side } from '../routing/modes.ts'
import { chainIdBytes, Intent, type IntentLog, intentBytesMax, readIntents } from '../state/intent-log.ts'
import { machineStart } from '../state/machine-start.ts'
import type { Store } from '../state/store.ts'
import type { Lane } from '../upstream/lane.ts'
import type { Flushable } from '../upstream/turn.ts'
import { type DbKey, framesIn, keysOf, specOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { FlipListener } from './flip-listener.ts'
import type { IntentNotes } from './intent-notes.ts'
import { connectionIn, connectionText, takeUp } from './intent-recovery.ts'
import type { Lanes } from './lanes.ts'

const documentName = 'intents'
const segmentBytesMax = 4 * 1024 * 1024
const segmentAgeMs = 1_000
/** How long a settled segment is kept: an `expired` event comes on another connection than the replies. */
const graceMs = 1_000
const tickMs = 100
/** Above this many bytes per command, keys cost less to note than the commands. */
const plainBytesMax = 512
const dbsMax = 65_536
/** A log that cannot be written is tried again after so long. */
const retryMs = 1_000
const tellEveryMs = 10_000

interface Closed {
  readonly number: number
  readonly bytes: number
  readonly epoch: number
  state: 'tickets' | 'lanes' | 'answered' | 'settled'
  settledMs: number
}

export class Intents implements IntentNotes, Flushable, FlipListener {
  /** Saves whatever a doubt about everything has changed outside of the journal. */
  saveDoubts: () => void = () => undefined
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #store: Store
  readonly #log: IntentLog
  readonly #base: string
  readonly #bytesMax: number
  readonly #notes: boolean
  #closed: Closed[] = []
  #closedBytes = 0
  #begunMs = 0
  #headBytes = 0
  /** Why the segment that is written to means doubt about everything. Keys are noted all the same: which side decides about one has to be known. */
  #doubt: string | null = null
  #retryAtMs = 0
  #toldMs = Number.NEGATIVE_INFINITY
  #scheduled = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null
  readonly #connections = new Set<Lane>()
  readonly #nothing: Flushable = { flush: () => undefined }
  /** The run of plain commands that is being noted: neighbours are one. */
  #run: Buffer | null = null
  #runStart = 0
  #runEnd = 0
  #runDb = 0
  #runTruth: Side = 'source'

  /** `notes` false leaves the log empty and relies on it all the same: only to show that the check which must notice does. */
  constructor(
    core: Core,
    lanes: Lanes,
    store: Store,
    log: { readonly file: IntentLog; readonly base: string },
    notes = true,
    bytesMax = intentLogBytesMax,
  ) {
    this.#core = core
    this.#lanes = lanes
    this.#store = store
    this.#log = log.file
    this.#base = log.base
    this.#notes = notes
    this.#bytesMax = bytesMax
    core.intents = this
    core.turn.first = this
    core.flipListeners.push(this)
    core.journal.noted = (db, key, from) => this.#marked(db, key, from)
    lanes.opened = (lane) => this.#opened(lane)
  }

  /** Bytes in all segments. */
  get bytes(): number {
    return this.#closedBytes + this.#log.segmentBytes
  }

  get segments(): number {
    return this.#closed.length + (this.#log.isOpen ? 1 : 0)
  }

  /**
   * Puts into the journal what a former process had under way, and begins anew. Answers why it cannot be told key by key, or null.
   * Before anything is connected or sent.
   */
  recover(clean: boolean): string | null {
    const { mirrored } = this.#core.traffic
    const problem = clean || !mirrored ? null : this.#takeUp()
    this.#log.removeAll()
    if (mirrored) this.#attempt(() => this.#start(problem))
    this.#timer = setInterval(() => this.#tick(), tickMs)
    return problem
  }

  /** After everything was settled and saved. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#stopped = true
    this.#core.turn.first = null
    this.#end()
  }

  run(buf: Buffer, start: number, end: number, db: number, count: number): void {
    if (this.#run === buf && this.#runEnd === start && this.#runDb === db && end - start <= plainBytesMax * count) {
      this.#runEnd = end
      return
    }
    if (this.#run !== null) this.#sealRun(this.#run)
    if (end - start > plainBytesMax * count) {
      for (const frame of framesIn(buf, start, end)) this.keys(keysOf(specOf(frame), frame, db) ?? [])
      return
    }
    this.#run = buf
    this.#runStart = start
    this.#runEnd = end
    this.#runDb = db
    this.#runTruth = this.#core.traffic.authority
  }

  keys(keys: readonly DbKey[]): void {
    if (keys.length === 0 || !this.#takes()) return
    const { journal, traffic } = this.#core
    const truths = journal.from[traffic.follower] > 0
    for (const { db, key } of keys) this.#key(db, key, (truths ? journal.truthOf(db, key) : null) ?? traffic.authority)
    this.#schedule()
  }

  doubt(reason: string): void {
    if (!this.#takes()) return
    this.#attempt(() => {
      if (this.#run !== null) this.#sealRun(this.#run)
      this.#log.text(Intent.doubt, this.#core.traffic.authority, reason)
    })
    this.#schedule()
  }

  async prepare(): Promise<void> {}

  /** A change that was forced leaves keys in the journal, whose truth stays where it is. */
  flipped(authority: Side): void {
    if (this.#core.journal.size > 0 || !this.#takes()) return
    this.#attempt(() => {
      if (this.#run !== null) this.#sealRun(this.#run)
      this.#log.text(Intent.flip, authority, '')
    })
    this.#schedule()
  }

  /** Before the lanes are flushed. Never throws: a log that fails costs a whole copy after a crash, and nothing now. */
  flush(): void {
    this.#scheduled = false
    if (this.#run !== null) this.#sealRun(this.#run)
    if (!this.#log.pending) return
    this.#attempt(() => {
      if (!this.#log.isOpen) this.#start(null)
      this.#log.flush()
      if (this.#log.segmentBytes >= segmentBytesMax) this.#rotate()
    })
  }

  #takes(): boolean {
    if (this.#stopped || !this.#notes || !this.#core.traffic.mirrored) return false
    if (!this.#log.isOpen && this.#retryAtMs === 0) this.#attempt(() => this.#start(null))
    return this.#log.isOpen
  }

  #sealRun(run: Buffer): void {
    this.#run = null
    const length = this.#runEnd - this.#runStart
    if (!this.#takes()) return
    if (this.#runDb >= dbsMax || length > intentBytesMax) {
      for (const frame of framesIn(run, this.#runStart, this.#runEnd)) this.keys(keysOf(specOf(frame), frame, this.#runDb) ?? [])
      return
    }
    this.#attempt(() => this.#log.frames(this.#runTruth, this.#runDb, run, this.#runStart, this.#runEnd))
  }

  #key(db: number, key: Buffer, truth: Side): void {
    this.#attempt(() => {
      // In the order in which they were told: the last word about a key counts.
      if (this.#run !== null) this.#sealRun(this.#run)
      if (db < dbsMax && key.length <= intentBytesMax) this.#log.key(truth, db, key)
      else this.#log.text(Intent.doubt, truth, 'a key that is too long to be noted')
    })
  }

  #marked(db: number, key: Buffer, from: Side): void {
    if (!this.#takes()) return
    this.#key(db, key, from)
    this.#schedule()
  }

  #opened(lane: Lane): void {
    this.#connections.add(lane)
    if (!this.#log.isOpen) return
    this.#attempt(() => this.#log.text(Intent.connection, lane.side, connectionText(lane)))
    this.#schedule()
  }

  /** Notes of a turn in which nothing is sent have to be written, too. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#core.turn.schedule(this.#nothing)
  }

  /** A new chain. Its id is saved last: until then nobody relies on it. */
  #start(doubt: string | null): void {
    const id = randomBytes(chainIdBytes)
    this.#log.removeAll()
    this.#closed = []
    this.#closedBytes = 0
    this.#log.begin(id, 1)
    this.#head(doubt)
    this.#store.saveDocument(documentName, { id: id.toString('hex'), machine: machineStart() })
    this.#retryAtMs = 0
  }

  #rotate(): void {
    const { board } = this.#core
    const { number, segmentBytes } = this.#log
    this.#closed.push({ number, bytes: segmentBytes, epoch: board.beginEpoch(), state: 'tickets', settledMs: 0 })
    this.#closedBytes += segmentBytes
    if (this.#closedBytes + segmentBytesMax > this.#bytesMax) {
      const reason = `the intent log holds its limit of ${this.#bytesMax} bytes`
      this.#tell('after a crash, everything would have to be copied again', reason)
      // The log that goes was all that told whose word counts for what is not saved yet.
      this.#core.journal.save()
      this.#start(reason)
      return
    }
    this.#log.rotate()
    this.#head(null)
  }

  /** What every segment says again, because the ones before it go: who is connected, and who may not be dead yet. */
  #head(doubt: string | null): void {
    this.#begunMs = performance.now()
    this.#doubt = doubt
    for (const lane of this.#connections) if (lane.ended && !lane.orphaned) this.#connections.delete(lane)
    for (const connection of this.#lanes.former.open)
      this.#log.text(Intent.connection, connection.side, connectionText(connection))
    for (const lane of this.#connections) this.#log.text(Intent.connection, lane.side, connectionText(lane))
    if (doubt !== null) this.#log.text(Intent.doubt, this.#core.traffic.authority, doubt)
    this.#log.flush()
    this.#headBytes = this.#log.segmentBytes
  }

  #tick(): void {
    const nowMs = performance.now()
    if (!this.#core.traffic.mirrored) {
      if (this.#log.isOpen) this.#end()
      return
    }
    this.flush()
    this.#attempt(() => {
      if (!this.#log.isOpen) {
        // A migration that has just begun has no log yet, and none was wanted: that is no doubt.
        if (nowMs >= this.#retryAtMs) this.#start(this.#retryAtMs === 0 ? null : 'the intent log could not be written')
        return
      }
      const used = this.#log.segmentBytes > this.#headBytes || this.#doubt !== null
      if (used && nowMs - this.#begunMs >= segmentAgeMs) this.#rotate()
      this.#settle(nowMs)
    })
  }

  #settle(nowMs: number): void {
    const { board, journal } = this.#core
    for (const closed of this.#closed) {
      if (closed.state !== 'tickets' || board.openUpTo(closed.epoch)) continue
      closed.state = 'lanes'
      this.#lanes.whenAnswered('source', () =>
        this.#lanes.whenAnswered('target', () => {
          closed.state = 'answered'
        }),
      )
    }
    const answered = this.#closed.filter(({ state }) => state === 'answered')
    if (answered.length > 0) {
      journal.save()
      this.saveDoubts()
      for (const closed of answered) Object.assign(closed, { state: 'settled', settledMs: nowMs })
    }
    for (let first = this.#closed[0]; first?.state === 'settled' && nowMs - first.settledMs >= graceMs; first = this.#closed[0]) {
      this.#log.remove(first.number)
      this.#closedBytes -= first.bytes
      this.#closed.shift()
    }
  }

  #end(): void {
    this.#run = null
    this.#log.removeAll()
    this.#closed = []
    this.#closedBytes = 0
    this.#doubt = null
  }

  #attempt(write: () => void): void {
    try {
      write()
    } catch (error) {
      this.#end()
      this.#retryAtMs = performance.now() + retryMs
      // What could not be removed must not be relied on either.
      try {
        this.#store.saveDocument(documentName, null)
      } catch {
        // The state file is on the same disk; the event says what there is to say.
      }
      this.#tell(
        'the intent log cannot be written: after a crash, everything would have to be copied again',
        (error as Error).message,
      )
    }
  }

  #tell(message: string, reason: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#toldMs < tellEveryMs) return
    this.#toldMs = nowMs
    this.#core.events.record('journal', message, { reason })
  }

  #takeUp(): string | null {
    const core = this.#core
    const chain = this.#store.loadDocument(documentName) as { id: string; machine: string } | null
    if (chain === null) return 'there is no intent log'
    if (chain.machine !== machineStart()) return 'the machine was started anew'
    const former = readIntents(this.#base, Buffer.from(chain.id, 'hex'))
    for (const entry of former.entries) {
      if (entry.kind !== Intent.connection) continue
      const connection = connectionIn(entry)
      this.#lanes.former.add(connection)
      if (connection.runId !== null) this.#lanes.expectRun(connection.side, connection.runId)
    }
    if (former.problem !== null) return former.problem
    const before = core.journal.size
    const doubt = takeUp(core.journal, former.entries)
    core.journal.save()
    core.events.record('journal', 'Ferry was not stopped in order: what was under way is copied again, key by key', {
      reason: doubt,
      data: { keys: core.journal.size - before },
    })
    return doubt
  }
}
