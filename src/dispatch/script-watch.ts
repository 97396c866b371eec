/**
 * What scripts write beside the keys they declare. A connection of its own to the authority is told of every key that anybody changes
 * (CLIENT TRACKING ON BCAST); whatever is told while a script is under way goes to the journal. That is sometimes too much (other
 * clients' keys), which costs a copy, and never too little:
 *
 *  - Tracking is on before the script is sent, and is only switched off when none is under way.
 *  - A server puts its announcements into this connection before it writes the replies of the same turn of its event loop. A PING that is
 *    sent here after the script was answered is therefore answered behind them. Only one PING is under way at a time: so it cannot be
 *    read in the turn in which the script ran, where replies are written by other threads (Redis 8 with io-threads).
 *  - A connection that is lost meanwhile, or changes sides, leaves nothing known: everything is in doubt.
 *
 * Announcements carry no database. The key is marked in the script's own, and where the script may have changed to another, in all.
 */
import type { ScriptFacts } from '../commands/scripts.ts'
import { decodeReply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { printable } from '../resp/printable.ts'
import type { Lane, LaneOwner } from '../upstream/lane.ts'
import { TextReplies } from '../upstream/text-replies.ts'
import { unheard, type Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import type { FlipListener } from './flip-listener.ts'
import type { Lanes } from './lanes.ts'
import type { Ticket } from './order-board.ts'
import { databasesInUse } from './script-databases.ts'

/** Tracking stays on for so long after the last script: switching it costs the next one a round trip. */
const lingerMs = 2_000
/** How long an answer may be away before everything is taken to be in doubt. */
const outcomeWaitMs = 10_000
const pollMs = 5
/** A server that does not take part is asked again after this. */
const refusedForMs = 30_000
/** Announcements that may have been another client's, until a script is reported for them. */
const suspicionsMax = 100
/** Keys of one script that have to be looked for in every database. */
const seenKeysMax = 100_000
/** Names of scripts that were reported already. */
const reportedMax = 1_000

const trackOn = encodeCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST'])
const trackOff = encodeCommand(['CLIENT', 'TRACKING', 'OFF'])
const hello = encodeCommand(['HELLO', '3'])
const ping = encodeCommand(['PING'])

/** Something that runs scripts and is under way. Made by `ScriptWatch.open`; ends with `answered` or `lost`. */
export class ScriptWindow {
  /** The command that ran them, for reports. */
  readonly name: string
  readonly db: number
  readonly facts: ScriptFacts
  readonly ticket: Ticket
  readonly declared: ReadonlySet<string>
  /** Commands sent to the authority when it was opened: whether anybody else could have written meanwhile. */
  readonly commandsBefore: number
  readonly seen: Buffer[] = []
  readonly #watch: ScriptWatch
  #isSettled = false
  #then: (() => void) | null = null

  constructor(
    watch: ScriptWatch,
    parts: { name: string; db: number; facts: ScriptFacts; keys: readonly DbKey[]; ticket: Ticket; commandsBefore: number },
  ) {
    this.#watch = watch
    this.name = parts.name
    this.db = parts.db
    this.facts = parts.facts
    this.ticket = parts.ticket
    this.commandsBefore = parts.commandsBefore
    this.declared = new Set(parts.keys.map(({ key }) => key.toString('latin1')))
  }

  answered(): void {
    this.#watch.answered(this)
  }

  /**
   * What its client is told only when its writes are known: a read of the follower could otherwise be older than the reply. At once where
   * they were given up before the reply came.
   */
  whenSettled(then: () => void): void {
    if (this.#isSettled) then()
    else this.#then = then
  }

  /** By the watch. */
  settled(): void {
    this.#isSettled = true
    this.#then?.()
  }

  /** The connection went, and it may still be running: the wait is for the connection after it, which kills the old one first. */
  lost(lane: Lane): void {
    const deadlineMs = performance.now() + outcomeWaitMs
    const look = (): void => {
      if (lane.up && !lane.orphaned) this.answered()
      else if (performance.now() > deadlineMs) this.#watch.giveUp(this, 'a script was lost with its connection')
      else setTimeout(look, pollMs)
    }
    look()
  }
}

type State = 'off' | 'starting' | 'on' | 'refused'

export class ScriptWatch implements LaneOwner, FlipListener {
  /** Why undeclared keys cannot be seen, or null. */
  problem: string | null = null
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #open = new Set<ScriptWindow>()
  readonly #waiting = new Set<Client>()
  readonly #reported = new Map<string, number>()
  #lane: Lane | null = null
  #state: State = 'off'
  #refusedMs = 0
  #answered: ScriptWindow[] = []
  #fencing = false
  #linger: NodeJS.Timeout | null = null

  constructor(core: Core, lanes: Lanes) {
    this.#core = core
    this.#lanes = lanes
    core.flipListeners.push(this)
  }

  /** Whether a script may be sent; else the client is parked until tracking is on, or known not to be possible. */
  admits(client: Client): boolean {
    const { turn, limits } = this.#core
    if (this.#state === 'on') return true
    if (this.#state === 'refused' && turn.nowMs - this.#refusedMs < refusedForMs) return true
    this.#start()
    const waitedMs = client.parkedSinceMs === 0 ? 0 : turn.nowMs - client.parkedSinceMs
    if (waitedMs > limits.authorityWaitMs) return true
    this.#waiting.add(client)
    setTimeout(() => client.unpark(), limits.authorityWaitMs - waitedMs + 1).unref()
    return false
  }

  /** For a script that is sent right now; null where its writes cannot be seen. */
  open(name: string, db: number, facts: ScriptFacts, keys: readonly DbKey[]): ScriptWindow | null {
    if (this.#state !== 'on') return null
    if (this.#linger !== null) clearTimeout(this.#linger)
    this.#linger = null
    const { board, counters, traffic } = this.#core
    const commandsBefore = this.#open.size === 0 ? counters.sides[traffic.authority].commands : -1
    const window = new ScriptWindow(this, { name, db, facts, keys, ticket: board.reserve([]), commandsBefore })
    this.#open.add(window)
    this.#core.unseenScripts++
    return window
  }

  answered(window: ScriptWindow): void {
    if (!this.#open.has(window)) return
    this.#answered.push(window)
    this.#fence()
  }

  /** Ends a window of which nothing can be said. */
  giveUp(window: ScriptWindow, reason: string): void {
    if (!this.#open.has(window)) return
    this.#core.doubtAll(reason)
    this.#settle(window)
  }

  async prepare(): Promise<void> {
    // Tracking begins with the first script there.
  }

  flipped(): void {
    this.#drop('the authority changed while a script was under way')
  }

  close(): void {
    this.#drop('Ferry stops')
  }

  laneUp(lane: Lane): void {
    if (lane !== this.#lane) return
    if (!lane.admitted) {
      this.#refused(lane.lastError ?? 'not admitted')
      return
    }
    // Not by `prepare`: a server that does not know it must not cost the connection.
    const waiter = answer((text) => {
      if (lane !== this.#lane) return
      if (text.startsWith('-')) this.#refused(text.slice(1))
      else this.#track(lane)
    })
    lane.send(hello, 0, hello.length, waiter, 1)
  }

  laneDown(lane: Lane): void {
    if (lane !== this.#lane) return
    if (this.#state === 'on') this.#state = 'off'
    this.#loseOpen('the connection that tells what scripts write was lost')
  }

  lanePush(lane: Lane, push: Buffer): void {
    if (lane !== this.#lane || this.#open.size === 0) return
    const message = decodeReply(push).value
    if (!Array.isArray(message) || String(message[0]) !== 'invalidate') return
    const keys = message[1]
    if (Array.isArray(keys)) for (const key of keys) this.#told(key as Buffer)
    else if ([...this.#open].some(({ facts }) => facts.flushes))
      this.#core.doubtAll('a database was emptied while a script ran that may do so')
  }

  /** Marked at once in the databases of the scripts that are under way; in others when the window ends. */
  #told(key: Buffer): void {
    const { journal, traffic, counters } = this.#core
    const text = key.toString('latin1')
    const dbs = new Set<number>()
    for (const window of this.#open) {
      if (window.facts.otherDatabases && window.seen.length < seenKeysMax) window.seen.push(Buffer.from(key))
      // Declared there: it was marked when the script was sent, and is copied after it ran.
      if (!window.declared.has(text)) dbs.add(window.db)
    }
    if (dbs.size === 0) return
    counters.journal.marks += dbs.size
    for (const db of dbs) journal.mark(db, key, traffic.authority, 'changed while a script ran that may write it')
    this.#core.notes.changed(
      [...dbs].map((db) => ({ db, key })),
      'a script changed it',
    )
    this.#noteUndeclared(key)
  }

  /** Reported once for each script: for sure where nothing else was sent meanwhile, else when it happened often. */
  #noteUndeclared(key: Buffer): void {
    this.#core.counters.scripts.undeclaredKeys++
    const names = new Set([...this.#open].map(({ name }) => name))
    const [first] = this.#open
    if (names.size !== 1 || first === undefined) return
    const { counters, traffic, events } = this.#core
    const alone = this.#open.size === 1 && counters.sides[traffic.authority].commands === first.commandsBefore + 1
    const before = this.#reported.get(first.name) ?? 0
    if (before >= suspicionsMax) return
    if (this.#reported.size >= reportedMax) this.#reported.clear()
    this.#reported.set(first.name, alone ? suspicionsMax : before + 1)
    if (!alone && before + 1 < suspicionsMax) return
    events.record('script', 'a script writes keys that it does not declare; they are copied after each run', {
      data: { script: first.name, key: printable(key), certain: alone },
    })
  }

  #start(): void {
    if (this.#state === 'starting') return
    if (this.#state === 'refused') this.#drop('')
    this.#state = 'starting'
    if (this.#lane === null) {
      this.#lane = this.#lanes.lane(this.#core.traffic.authority).sibling(this)
      this.#lane.connect()
    } else if (this.#lane.up) this.#track(this.#lane)
  }

  #track(lane: Lane): void {
    if (this.#state !== 'starting') return
    const waiter = answer((text) => {
      if (lane !== this.#lane || this.#state !== 'starting') return
      if (text !== '+OK') {
        this.#refused(text.slice(1))
        return
      }
      this.#state = 'on'
      this.problem = null
      this.#wake()
      this.#rest()
    })
    lane.send(trackOn, 0, trackOn.length, waiter, 1)
  }

  #refused(reason: string): void {
    this.#state = 'refused'
    this.#refusedMs = this.#core.turn.nowMs
    if (this.problem === null) {
      this.#core.events.record('script', 'what scripts write beside the keys they declare cannot be seen', { reason })
    }
    this.problem = reason
    this.#wake()
  }

  #fence(): void {
    const lane = this.#lane
    if (this.#fencing || this.#answered.length === 0 || lane === null || !lane.up) return
    this.#fencing = true
    const windows = this.#answered
    this.#answered = []
    const waiter = answer((text) => {
      this.#fencing = false
      if (text === '+PONG') {
        void this.#end(windows)
        this.#fence()
        return
      }
      // A server that is busy with another script lets nothing through; what it said before tells nothing.
      this.#answered = [...windows, ...this.#answered]
      setTimeout(() => this.#fence(), pollMs)
    })
    lane.send(ping, 0, ping.length, waiter, 1)
  }

  async #end(windows: readonly ScriptWindow[]): Promise<void> {
    const seen = windows.flatMap((window) => window.seen)
    if (seen.length > 0) {
      const dbs = await databasesInUse(this.#lanes)
      const { journal, traffic, counters } = this.#core
      const tooMany = windows.some((window) => window.seen.length >= seenKeysMax)
      if (tooMany) this.#core.doubtAll(`a script that may change its database wrote more than ${seenKeysMax} keys`)
      if (dbs === null) this.#core.doubtAll('a script may have written to any database, and a side did not tell which it has')
      for (const db of dbs ?? []) {
        counters.journal.marks += seen.length
        for (const key of seen) journal.mark(db, key, traffic.authority, 'changed while a script ran that may write it')
        this.#core.notes.changed(
          seen.map((key) => ({ db, key })),
          'a script changed it',
        )
      }
    }
    for (const window of windows) this.#settle(window)
  }

  #settle(window: ScriptWindow): void {
    if (!this.#open.delete(window)) return
    this.#core.unseenScripts--
    window.settled()
    this.#core.board.finish(window.ticket)
    this.#rest()
  }

  /** Off again when no script comes any more; announcements of other clients' writes are not for nothing. */
  #rest(): void {
    if (this.#open.size > 0 || this.#linger !== null || this.#state !== 'on') return
    this.#linger = setTimeout(() => {
      this.#linger = null
      const lane = this.#lane
      if (this.#open.size > 0 || this.#state !== 'on' || lane === null) return
      this.#state = 'off'
      if (lane.up) lane.send(trackOff, 0, trackOff.length, unheard, 1)
    }, lingerMs).unref()
  }

  #loseOpen(reason: string): void {
    this.#fencing = false
    this.#answered = []
    for (const window of [...this.#open]) this.giveUp(window, reason)
  }

  #drop(reason: string): void {
    const lane = this.#lane
    this.#lane = null
    this.#state = 'off'
    if (this.#linger !== null) clearTimeout(this.#linger)
    this.#linger = null
    lane?.close()
    this.#loseOpen(reason)
    this.#wake()
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const client of waiting) client.unpark()
  }
}

/** A reply of one line. Where it is lost, the watch is told that its lane is down. */
const answer = (told: (line: string) => void): Waiter => new TextReplies((text) => text !== null && told(text.trimEnd()))
