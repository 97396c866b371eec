/**
 * The commands of a client that tracks what it reads, one by one: its reads go over its own connection, everything else goes its usual
 * way. Two connections have no order between them: who changes over waits until what went over the other one is answered, so the
 * client's reads see its own writes, and no read sees a write that came after it.
 */
import type { ArgView } from '../commands/arg-view.ts'
import { blocks } from '../commands/keys.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { Batch } from '../dispatch/batch.ts'
import { type DbKey, keysOf, ownKeys } from '../dispatch/command-keys.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { encodeCommand } from '../resp/encode.ts'
import { type ReplyLane, unheard } from '../upstream/waiter.ts'
import type { ClientSession } from './client-session.ts'
import type { Tracking } from './tracking.ts'

const cachingYes = encodeCommand(['CLIENT', 'CACHING', 'YES'])

/** `carry` takes the command its usual way. */
export function steered(
  session: ClientSession,
  tracking: Tracking,
  spec: CommandSpec,
  args: ArgView,
  frame: Frame,
  carry: () => Sent,
): Sent {
  const inMulti = session.transaction !== null
  if (spec.kind === Kind.Session && !inMulti) {
    const sent = carry()
    if (sent === 'sent' && !spec.name.startsWith('client|')) tracking.caching = false
    return sent
  }
  const sent =
    inMulti || !tracking.steers ? aside(session, tracking, spec, args, carry) : oneOf(session, tracking, spec, args, frame, carry)
  // Said of one command, or of one transaction.
  if (sent === 'sent' && session.transaction === null) tracking.caching = false
  return sent
}

function oneOf(
  session: ClientSession,
  tracking: Tracking,
  spec: CommandSpec,
  args: ArgView,
  frame: Frame,
  carry: () => Sent,
): Sent {
  const ownWay = isRead(spec, args) && tracking.remembers && frame.pieces === null
  if (ownWay && maySend(session, tracking, spec, args)) {
    if (mustWait(session, tracking)) return 'parked'
    return read(session, tracking, frame)
  }
  // Woken by the last reply.
  if (tracking.inFlight > 0) return 'parked'
  return aside(session, tracking, spec, args, carry)
}

/** Not over the own connection. What it may have read is invalidated behind its reply. */
function aside(session: ClientSession, tracking: Tracking, spec: CommandSpec, args: ArgView, carry: () => Sent): Sent {
  const remembers = tracking.remembers
  const keys = remembers && mayRead(spec) ? keysOf(spec, args, session.db) : []
  const own = keys === null ? null : ownKeys(keys)
  const before = session.transaction
  const sent = carry()
  if (sent === 'parked') return sent
  tracking.elsewhere = true
  if (before !== null && session.transaction === before) {
    if (own === null || own.length > 0) tracking.noteRead(own)
  } else if (before !== null) tracking.endTransaction(spec.name === 'exec')
  else if (own === null || own.length > 0 || readsUnnamed(spec)) {
    tracking.invalidateAfter(own === null || readsUnnamed(spec) ? null : own.map(({ key }) => key))
  }
  return sent
}

/** What a server tracks: commands flagged readonly that name keys. PFCOUNT is one of them. */
const mayRead = (spec: CommandSpec): boolean =>
  spec.kind === Kind.ReadPlain || spec.kind === Kind.ReadMovable || spec.kind === Kind.Script || spec.name === 'pfcount'

/** Nobody can say what such a command has read. */
const readsUnnamed = (spec: CommandSpec): boolean => spec.kind === Kind.Unknown

const isRead = (spec: CommandSpec, args: ArgView): boolean =>
  (spec.kind === Kind.ReadPlain || spec.kind === Kind.ReadMovable) && !spec.cursor && !(spec.mayBlock && blocks(spec, args))

/** The connection is there, and the authority's word is the truth for these keys. */
function maySend(session: ClientSession, tracking: Tracking, spec: CommandSpec, args: ArgView): boolean {
  const { core } = session.shared
  const { journal, traffic } = core
  const { link } = tracking
  if (link === null || !link.ready || !core.accepts(link.reads)) return false
  if (!link.fits(session.pair, traffic.authority, session.protocol)) return false
  if (journal.from[traffic.follower] === 0) return true
  const keys: readonly DbKey[] = keysOf(spec, args, session.db) ?? []
  return !keys.some(({ db, key }) => journal.truthOf(db, key) === traffic.follower)
}

function mustWait(session: ClientSession, tracking: Tracking): boolean {
  if (!tracking.elsewhere) return false
  // Woken when the last reply is out.
  if (session.replies.length > 0) return true
  const { core } = session.shared
  const lane = core.authorityLane(session.pair)
  if (!core.traffic.authoritative && lane.inFlight > 0) {
    // The reply may have been the follower's: the authority has the write before it.
    lane.whenAnswered(() => {
      tracking.elsewhere = false
      session.unpark()
    })
    return true
  }
  tracking.elsewhere = false
  return false
}

function read(session: ClientSession, tracking: Tracking, frame: Frame): Sent {
  const { core } = session.shared
  const link = tracking.link
  if (link === null) return 'parked'
  const lane = link.reads
  const waiter = new TrackedRead(session, tracking, frame)
  session.replies.push(waiter)
  tracking.inFlight++
  core.counters.sides[lane.side].commands++
  lane.prepare(session.context)
  // The server was told the mode, so it does not refuse; should it, the read is not tracked and the link is of no use.
  if (tracking.options.optin) lane.send(cachingYes, 0, cachingYes.length, unheard, 1)
  lane.send(frame.buf, frame.start, frame.end, waiter, 1)
  return 'sent'
}

class TrackedRead extends Batch {
  readonly #tracking: Tracking
  readonly #session: ClientSession

  constructor(session: ClientSession, tracking: Tracking, frame: Frame) {
    const { core } = session.shared
    super(core, session, core.traffic.authority, false, frame.buf, frame.start, frame.end, 1)
    this.#tracking = tracking
    this.#session = session
  }

  override take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    super.take(lane, chunk, from, to, ended)
    if (ended) this.#over()
  }

  override lost(lane: ReplyLane, left: number, midReply: boolean): void {
    super.lost(lane, left, midReply)
    this.#over()
  }

  #over(): void {
    this.#tracking.inFlight--
    if (this.#tracking.inFlight === 0) this.#session.unpark()
  }
}
