/** MULTI to EXEC: the commands wait here and go out together, so that a client that vanishes in between has changed nothing. */
import type { ArgView } from '../commands/arg-view.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { ownKeys } from '../dispatch/command-keys.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { wireError } from '../errors.ts'
import { encodeCommand, encodeError, replies } from '../resp/encode.ts'
import { answer } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import { Transaction } from './transaction-queue.ts'

const multi = encodeCommand(['MULTI'])
const exec = encodeCommand(['EXEC'])
const execAbort = encodeError('EXECABORT Transaction discarded because of previous errors.')
/** Bytes one client may queue; the whole block has to be there before any of it is sent. */
const queuedBytesMax = 512 * 1024 * 1024

export function handleTransaction(session: ClientSession, spec: CommandSpec, args: ArgView): Sent {
  const open = session.transaction
  if (args.argc !== 1 && spec.name !== 'watch') {
    const problem = `wrong number of arguments for '${spec.name}' command`
    // An EXEC that is wrong itself ends the transaction, as on a server; any other wrong command only spoils it.
    if (spec.name === 'exec') session.transaction = null
    open?.fail()
    return answer(
      session,
      encodeError(spec.name === 'exec' ? `EXECABORT Transaction discarded because of: ${problem}` : `ERR ${problem}`),
    )
  }
  switch (spec.name) {
    case 'multi':
      if (open !== null) return answer(session, encodeError('ERR MULTI calls can not be nested'))
      session.transaction = new Transaction()
      return answer(session, replies.ok)
    case 'discard':
      if (open === null) return answer(session, encodeError('ERR DISCARD without MULTI'))
      session.transaction = null
      return answer(session, replies.ok)
    case 'exec':
      return open === null ? answer(session, encodeError('ERR EXEC without MULTI')) : execute(session, open)
    case 'unwatch':
      return answer(session, open === null ? replies.ok : replies.queued)
    default:
      if (open !== null) return answer(session, encodeError('ERR WATCH inside MULTI is not allowed'))
      session.shared.core.counters.clientError('unsupported')
      return answer(
        session,
        wireError('unsupported', "'watch': optimistic locking is not carried yet; use MULTI without WATCH, or a script"),
      )
  }
}

function execute(session: ClientSession, open: Transaction): Sent {
  if (open.failed) {
    session.transaction = null
    return answer(session, execAbort)
  }
  const sent = session.shared.transactions.execute(session, {
    bytes: Buffer.concat([multi, ...open.frames, exec]),
    replies: open.length + 2,
    keys: open.keys,
    writes: open.writes,
    copies: open.copies,
    unknownKeys: open.unknownKeys,
  })
  if (sent === 'sent') session.transaction = null
  return sent
}

export function queueCommand(session: ClientSession, open: Transaction, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  const refusal = notInside(spec)
  if (refusal !== null) {
    open.fail()
    session.shared.core.counters.clientError('unsupported')
    return answer(session, refusal)
  }
  const { carriage, keys } = session.shared.writes.carry(spec, args, frame, session.db)
  const bytes = carriage.how === 'both' ? copyOf(carriage.frame) : copyOf(frame)
  if (open.bytes + bytes.length > queuedBytesMax) {
    open.fail()
    return answer(session, wireError('limit', `a transaction may hold ${queuedBytesMax} bytes`))
  }
  open.bytes += bytes.length
  open.frames.push(bytes)
  if (spec.write) {
    open.writes = true
    open.keys.push(...ownKeys(keys))
  }
  if (carriage.how === 'copy') {
    open.copies = true
    open.unknownKeys ??= carriage.unknownKeys
  }
  return answer(session, replies.queued)
}

function notInside(spec: CommandSpec): Buffer | null {
  if (spec.kind === Kind.Session && spec.name !== 'ping' && spec.name !== 'echo') {
    return wireError('unsupported', `'${spec.name.replace('|', ' ')}' inside MULTI is not carried; send it before MULTI`)
  }
  if (spec.kind === Kind.WriteGlobal)
    return wireError('unsupported', `'${spec.name}' inside MULTI is not carried; send it on its own`)
  return null
}

const copyOf = (frame: Frame): Buffer =>
  frame.pieces === null ? Buffer.from(frame.buf.subarray(frame.start, frame.end)) : Buffer.concat(frame.pieces)
