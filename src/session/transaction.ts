/** MULTI to EXEC: the commands wait here and go out together, so that a client that vanishes in between has changed nothing. */
import { type ArgView, argInteger, argIs } from '../commands/arg-view.ts'
import { namedDbs } from '../commands/keys.ts'
import { otherFormOf } from '../commands/other-forms.ts'
import type { ServerName } from '../commands/server-name.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import { makeBlock, withoutCompanions, writtenKeys } from '../dispatch/block.ts'
import { isError } from '../dispatch/block-effects.ts'
import { execAbort, nilOf } from '../dispatch/block-write.ts'
import { type DbKey, framesIn, keysOf } from '../dispatch/command-keys.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { wireError } from '../errors.ts'
import { encodeError, replies } from '../resp/encode.ts'
import { answer, refusalAtDoor, refusalOf, refusalOutside, withAuthority, wrongArity } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import { isClusterAnswer } from './cluster-command.ts'
import { outOfRange } from './database-check.ts'
import { handleLocal } from './local-commands.ts'
import { rehearse } from './rehearsal.ts'
import { type Queued, Transaction } from './transaction-queue.ts'
import { Watch } from './watch.ts'

/** Session commands that the server answers itself: they say nothing of the connection. */
const passedOn: ReadonlySet<string> = new Set(['ping', 'echo', 'select', 'info', 'client|help'])
/** Those that Ferry answers at once. */
const answeredHere: ReadonlySet<string> = new Set(
  ['getname', 'getredir', 'id', 'info', 'no-touch', 'setinfo', 'setname', 'trackinginfo'].map((sub) => `client|${sub}`),
)

export function handleTransaction(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const open = session.transaction
  if (!arityOk(spec, args.argc)) return wrong(session, spec)
  const notAdmitted = refusalAtDoor(session)
  if (notAdmitted !== null) {
    if (spec.name === 'exec') endTransaction(session)
    return answer(session, notAdmitted)
  }
  switch (spec.name) {
    case 'multi':
      return open === null ? begin(session) : notInside(session, open, spec, 'ERR MULTI calls can not be nested')
    case 'discard':
      if (open === null) return answer(session, encodeError('ERR DISCARD without MULTI'))
      endTransaction(session)
      return answer(session, replies.ok)
    case 'exec':
      return open === null ? answer(session, encodeError('ERR EXEC without MULTI')) : execute(session, open)
    case 'unwatch':
      if (open !== null) return queue(session, open, spec, copyOf(frame), false)
      endWatch(session)
      return answer(session, replies.ok)
    default:
      if (open !== null) return notInside(session, open, spec, 'ERR WATCH inside MULTI is not allowed')
      return withAuthority(session, () => watch(session, spec, args, frame))
  }
}

/**
 * Also while the authority is away: were MULTI refused for that, what a client has sent right behind it would run command by command.
 * EXEC says so then.
 */
function begin(session: ClientSession): Sent {
  const { core, multis, requestLimits } = session.shared
  const lane = core.authorityLane(session.pair)
  const verdict = core.accepts(lane) ? multis.verdict(lane, session) : 'ok'
  if (verdict === null) return 'parked'
  if (verdict !== 'ok') return answer(session, verdict)
  session.transaction = new Transaction(session.db, requestLimits.queryBufferBytes)
  return answer(session, replies.ok)
}

/** Forgets what was queued and what is watched. */
function endTransaction(session: ClientSession): void {
  session.transaction = null
  endWatch(session)
}

function endWatch(session: ClientSession): void {
  session.watch?.end()
  session.watch = null
}

/** An EXEC that is wrong itself ends the transaction, as on a server; any other wrong command only spoils it. */
function wrong(session: ClientSession, spec: CommandSpec): Sent {
  const open = session.transaction
  if (spec.name !== 'exec') {
    open?.fail()
    return answer(session, wrongArity(spec.name))
  }
  if (open !== null) endTransaction(session)
  return answer(session, encodeError("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"))
}

/** Valkey 8.0 refuses MULTI and WATCH like any other command that MULTI bars, which spoils the transaction; Redis only says no. */
function notInside(session: ClientSession, open: Transaction, spec: CommandSpec, text: string): Sent {
  const { family, version } = authorityName(session)
  const major = Number.parseInt(version, 10)
  if (family !== 'valkey' || major < 8) return answer(session, encodeError(text))
  open.fail()
  const name = major < 9 ? 'Command' : `Command '${spec.name}'`
  return answer(session, encodeError(`ERR ${name} not allowed inside a transaction`))
}

const authorityName = ({ shared: { core, lanes } }: ClientSession): ServerName => lanes.lane(core.traffic.authority).server

function watch(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  // Where the follower has a key's truth, the authority would be watching the wrong value.
  if (session.shared.writes.admission.awaitsTruth(session, keysOf(spec, args, session.db) ?? [])) return 'parked'
  const bytes = copyOf(frame)
  session.watch ??= new Watch(session)
  for (const own of framesIn(bytes, 0, bytes.length)) session.watch.add(bytes, keysOf(spec, own, session.db) ?? [])
  return 'sent'
}

function execute(session: ClientSession, open: Transaction): Sent {
  const { watch } = session
  if (open.failed || watch?.broken) {
    endTransaction(session)
    return answer(session, open.failed ? execAbort : nilOf(session.protocol))
  }
  return withAuthority(
    session,
    () => run(session, open),
    () => endTransaction(session),
  )
}

function run(session: ClientSession, open: Transaction): Sent {
  const { watch } = session
  const { core, lanes, multis, transactions, writes } = session.shared
  // Not known where this connection is newer than MULTI.
  const verdict = multis.verdict(core.authorityLane(session.pair), session)
  if (verdict === null) return 'parked'
  if (verdict !== 'ok') {
    endTransaction(session)
    return answer(session, verdict)
  }
  const { mirrored, follower } = core.traffic
  // Reads go where the transaction goes: the authority must not be asked for what only the follower knows.
  if (core.journal.from[follower] > 0 && writes.admission.awaitsTruth(session, keysIn(open.commands))) return 'parked'
  const sent = open.commands.filter(({ local }) => !local)
  if (mirrored && sent.some((command) => !knowsForm(session, command))) return 'parked'
  const shape = open.shapes ? (elements: readonly Buffer[]) => shaped(session, open.commands, elements) : null
  const whole = makeBlock(writes.carrier, session.pair, sent, mirrored ? lanes.lane(follower).server : null, shape)
  const block = session.pair.companions === 'refused' ? withoutCompanions(whole) : whole
  if (watch === null) {
    const outcome = transactions.execute(session, block)
    if (outcome === 'parked') return 'parked'
    session.transaction = null
    core.waits.written(writtenKeys(block))
    return 'sent'
  }
  const outcome = transactions.executeWatched(session, block, watch, (wasSent) => {
    watch.executed(wasSent)
    if (session.watch === watch) session.watch = null
    core.waits.written(writtenKeys(block))
  })
  if (outcome === 'parked') return 'parked'
  watch.executing()
  session.transaction = null
  return 'sent'
}

function knowsForm(session: ClientSession, { spec, bytes, db }: Queued): boolean {
  if (otherFormOf(spec.name) === null) return true
  const frame: Frame = { buf: bytes, start: 0, end: bytes.length, pieces: null }
  for (const args of framesIn(bytes, 0, bytes.length))
    return session.shared.writes.admission.knowsForm(session, spec, frame, keysOf(spec, args, db) ?? [])
  return true
}

/** Of reads and writes alike. */
const keysIn = (commands: readonly Queued[]): DbKey[] =>
  commands.flatMap(({ spec, bytes, db }) => [...framesIn(bytes, 0, bytes.length)].flatMap((args) => keysOf(spec, args, db) ?? []))

/** EXEC's reply with Ferry's own answers in their places. It runs what they do, and takes the client where a SELECT led. */
function shaped(session: ClientSession, commands: readonly Queued[], elements: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${commands.length}\r\n`)]
  let at = 0
  for (const command of commands) {
    if (command.local) {
      parts.push(answerOf(session, command))
      continue
    }
    const element = elements[at++] as Buffer
    if (command.spec.name === 'select' && !isError(element)) session.setContext(session.protocol, databaseOf(command))
    parts.push(element)
  }
  return Buffer.concat(parts)
}

function answerOf(session: ClientSession, { spec, bytes }: Queued): Buffer {
  for (const args of framesIn(bytes, 0, bytes.length)) {
    const frame: Frame = { buf: bytes, start: 0, end: bytes.length, pieces: null }
    const answered = session.replies.capture(() => handleLocal(session, spec, args, frame))
    if (answered.length > 0) return answered
  }
  return wireError('authority-unavailable', 'the connection was lost right after EXEC')
}

function databaseOf({ bytes }: Queued): number {
  for (const args of framesIn(bytes, 0, bytes.length)) return argInteger(args, 1)
  return 0
}

/** Queues a command, or says why not, which spoils the transaction. */
export function queueCommand(session: ClientSession, open: Transaction, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const refusal = refusalInside(session, spec, args)
  if (refusal !== null) {
    open.fail()
    session.shared.core.counters.clientError('unsupported')
    return answer(session, refusal)
  }
  if (spec.name === 'select' && session.shared.cluster === null) return queueSelect(session, open, spec, args, frame)
  const databases = namedDbs(spec, args)
  const outside = refusalOutside(session, spec, databases)
  if (outside !== null) {
    open.fail()
    return answer(session, outside)
  }
  const verdict = session.shared.databases.verdictOn(databases, session)
  if (verdict === null) return 'parked'
  if (verdict !== 'ok') {
    // Its key could never be copied there; and a SELECT that fails would cut the lane that everybody shares.
    open.fail()
    return answer(session, encodeError(verdict))
  }
  if (spec.kind === Kind.Unknown) {
    return withAuthority(
      session,
      () => rehearsed(session, open, spec, copyOf(frame)),
      () => open.fail(),
    )
  }
  return queue(session, open, spec, copyOf(frame), isLocal(session, spec))
}

/** Queued where the server would queue it. */
function rehearsed(session: ClientSession, open: Transaction, spec: CommandSpec, bytes: Buffer): Sent {
  const { core, multis } = session.shared
  const verdict = multis.verdict(core.authorityLane(session.pair), session)
  if (verdict === null) return 'parked'
  if (verdict !== 'ok') {
    open.fail()
    return answer(session, verdict)
  }
  rehearse(session, bytes, (queued) => {
    if (!queued) open.fail()
    else open.add(spec, bytes, false)
  })
  return 'sent'
}

function queue(session: ClientSession, open: Transaction, spec: CommandSpec, bytes: Buffer, local: boolean): Sent {
  if (open.add(spec, bytes, local)) return answer(session, replies.queued)
  session.shared.core.counters.clientError('limit')
  return answer(session, wireError('limit', `a transaction may hold ${open.bytesMax} bytes (limits.queryBufferBytes)`))
}

/** A number that no server has is queued all the same: the server will say so in EXEC's reply, and stay where it is. */
function queueSelect(session: ClientSession, open: Transaction, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const db = argInteger(args, 1)
  const verdict = Number.isNaN(db) ? outOfRange : session.shared.databases.verdict(db, session)
  if (verdict === null) return 'parked'
  if (verdict !== 'ok' && verdict !== outOfRange) {
    open.fail()
    return answer(session, encodeError(verdict))
  }
  const sent = queue(session, open, spec, copyOf(frame), false)
  if (verdict === 'ok' && !open.failed) open.moveTo(db)
  return sent
}

/** In cluster mode a SELECT leads nowhere else, and what it says is not what the server would. */
const isLocal = ({ shared }: ClientSession, spec: CommandSpec): boolean =>
  spec.name === 'hello' ||
  answeredHere.has(spec.name) ||
  isClusterAnswer(spec) ||
  (spec.name === 'select' && shared.cluster !== null)

/** HELLO that leaves the user and the protocol as they are: every other reply of EXEC is in that protocol. What is wrong it says itself. */
function onlyGreets({ protocol }: ClientSession, args: ArgView): boolean {
  const asked = args.argc === 1 ? protocol : argInteger(args, 1)
  return !namesUser(args) && (asked === protocol || (asked !== 2 && asked !== 3))
}

function namesUser(args: ArgView): boolean {
  for (let i = 2; i < args.argc; i++) if (argIs(args, i, 'auth')) return true
  return false
}

function refusalInside(session: ClientSession, spec: CommandSpec, args: ArgView): Buffer | null {
  const carried =
    spec.name === 'hello'
      ? onlyGreets(session, args)
      : passedOn.has(spec.name) || answeredHere.has(spec.name) || isClusterAnswer(spec)
  if (spec.kind === Kind.Session && !carried)
    return wireError('unsupported', `'${spec.name.replace('|', ' ')}' inside MULTI is not carried; send it before MULTI`)
  if (spec.kind === Kind.PubSub) return wireError('unsupported', `'${spec.name}' inside MULTI is not carried; send it on its own`)
  // Inside MULTI nothing blocks.
  if (spec.kind === Kind.Blocking || spec.mayBlock) return arityOk(spec, args.argc) ? null : wrongArity(spec.name)
  return refusalOf(spec, args)
}

const copyOf = (frame: Frame): Buffer =>
  frame.pieces === null ? Buffer.from(frame.buf.subarray(frame.start, frame.end)) : Buffer.concat(frame.pieces)
