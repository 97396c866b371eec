/** What becomes of a command on a target that has all databases in its database 0, apart by prefix. Pure. */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import { createKeyList, destinationDb, type KeyList, keyPositions } from '../commands/keys.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import { encodeCommand, encodeInteger } from '../resp/encode.ts'
import { type DatabaseFold, foldedDb, foldPrefix, foldPrefixBytes, globLiteral, isCarried } from '../routing/database-layout.ts'
import {
  type ArgumentEdit,
  asItIs,
  type Carried,
  edited,
  failing,
  instead,
  outOfRange,
  type ReplyEdit,
  steps,
  unsupported,
} from './carried.ts'
import { countedKeys, flushed, keyspaceText, randomKey } from './fold-steps.ts'
import type { FoldedAt } from './folded-at.ts'
import { firstIn, isError, type KeyName, keysIn, scanIn, streamsIn } from './replies.ts'

type Handler = (at: FoldedAt, args: ArgView, spec: CommandSpec) => Carried

const keys: KeyList = createKeyList()
const noSuchKey = /^-ERR no such key/
const sameObject = failing('ERR source and destination objects are the same')
const anything = Buffer.from('*')

/** Everything but SELECT, subscribing, tracking and blocks, which depend on what was sent before. */
export function foldCommand(at: FoldedAt, spec: CommandSpec, args: ArgView): Carried {
  const handler = handlers.get(spec.name)
  if (handler !== undefined) return arityOk(spec, args.argc) ? handler(at, args, spec) : asItIs
  if (spec.kind === Kind.Unknown && at.db > 0) {
    return unsupported(
      `where the keys of '${argBytes(args, 0).toString('latin1', 0, 64)}' stand is not known, and the target has database ${at.db} in database 0`,
    )
  }
  return withKeys(at, spec, args, [], spec.family === 'stream' && at.db > 0 ? wordsIn(at) : null)
}

/** Null for the keys of other databases. */
function nameIn({ fold, db }: FoldedAt): KeyName {
  return (key) => {
    const of = foldedDb(fold, key, 0, key.length)
    return of === db ? key.subarray(foldPrefixBytes(fold, of)) : null
  }
}

/** `more`: further arguments that change. The server itself says what is wrong with arguments that make no sense. */
function withKeys(
  at: FoldedAt,
  spec: CommandSpec,
  args: ArgView,
  more: readonly ArgumentEdit[],
  reply: ReplyEdit | null,
): Carried {
  const count = keyPositions(spec, args, keys)
  if (at.db === 0) return collision(at.fold, args, count) ?? asItIs
  if (!keys.valid && arityOk(spec, args.argc))
    return failing('ERR FERRY unsupported: which of its arguments are keys cannot be told')
  const prefix = foldPrefix(at.fold, at.db)
  const edits: ArgumentEdit[] = [...more]
  for (let i = 0; i < count; i++) edits.push({ at: keys.positions[i] as number, prefix })
  return edited(
    edits.sort((one, other) => one.at - other.at),
    reply,
  )
}

/** A key of database 0 with the name of one of another database would be that key. */
function collision(fold: DatabaseFold, args: ArgView, count: number): Carried | null {
  for (let i = 0; i < count; i++) {
    const position = keys.positions[i] as number
    const db = foldedDb(fold, args.buf, args.offsets[2 * position] as number, args.offsets[2 * position + 1] as number)
    if (db > 0) return clash(db)
  }
  return null
}

function clashOf(fold: DatabaseFold, db: number, key: Buffer): Carried | null {
  const other = db === 0 ? foldedDb(fold, key, 0, key.length) : 0
  return other === 0 ? null : clash(other)
}

const clash = (db: number): Carried =>
  unsupported(`a key of database 0 with this name would be one of database ${db} on the target, which has all of them in one`)

/** Errors about streams name the key. */
function wordsIn({ fold, db }: FoldedAt): ReplyEdit {
  const quoted = `'${foldPrefix(fold, db).toString('latin1')}`
  return (reply) => (isError(reply) ? Buffer.from(reply.toString('latin1').replaceAll(quoted, "'"), 'latin1') : reply)
}

const unlessError =
  (edit: ReplyEdit): ReplyEdit =>
  (reply) =>
    isError(reply) ? reply : edit(reply)

const replyOf =
  (edit: (reply: Buffer, nameOf: KeyName) => Buffer): Handler =>
  (at, args, spec) =>
    withKeys(at, spec, args, [], at.db === 0 ? null : unlessError((reply) => edit(reply, nameIn(at))))

const streams: Handler = (at, args, spec) => {
  const words = wordsIn(at)
  const entries = (reply: Buffer): Buffer => (isError(reply) ? words(reply) : streamsIn(reply, nameIn(at)))
  return withKeys(at, spec, args, [], at.db === 0 ? null : entries)
}

const keysMatching: Handler = (at) => {
  const reply = unlessError((whole) => keysIn(whole, nameIn(at)))
  return edited(at.db === 0 ? [] : [{ at: 1, prefix: patternPrefix(at) }], reply)
}

const patternPrefix = ({ fold, db }: FoldedAt): Buffer => globLiteral(foldPrefix(fold, db))

const scan: Handler = (at, args) => {
  const reply = unlessError((whole) => scanIn(whole, nameIn(at)))
  if (at.db === 0) return edited([], reply)
  const edits: ArgumentEdit[] = []
  for (let i = 2; i + 1 < args.argc; i += 2) if (argIs(args, i, 'match')) edits.push({ at: i + 1, prefix: patternPrefix(at) })
  if (edits.length > 0) return edited(edits, reply)
  const words = Array.from({ length: args.argc }, (_, i) => Buffer.from(argBytes(args, i)))
  words.splice(2, 0, Buffer.from('MATCH'), Buffer.concat([patternPrefix(at), anything]))
  return instead(encodeCommand(words), reply)
}

/** Patterns of BY and GET name further keys: of the same database. */
const sort: Handler = (at, args, spec) => {
  if (at.db === 0) return withKeys(at, spec, args, [], null)
  const prefix = foldPrefix(at.fold, at.db)
  const more: ArgumentEdit[] = []
  for (let i = 2; i < args.argc; i++) {
    if (argIs(args, i, 'limit')) i += 2
    else if (argIs(args, i, 'store')) i++
    else if (argIs(args, i, 'by')) i++ + 1 < args.argc && more.push({ at: i, prefix })
    else if (argIs(args, i, 'get') && ++i < args.argc && !argIs(args, i, '#')) more.push({ at: i, prefix })
  }
  return withKeys(at, spec, args, more, null)
}

/** As MOVE, the answer is 0 where there is nothing to move, or something in the way. */
const move: Handler = (at, args, spec) => {
  const { fold, db } = at
  const to = argInteger(args, 2)
  if (Number.isNaN(to)) return withKeys(at, spec, args, [], null)
  if (!isCarried(fold, to)) return outOfRange
  if (to === db) return sameObject
  const key = argBytes(args, 1)
  const clashes = clashOf(fold, db, key) ?? clashOf(fold, to, key)
  if (clashes !== null) return clashes
  const words = ['RENAMENX', Buffer.concat([foldPrefix(fold, db), key]), Buffer.concat([foldPrefix(fold, to), key])]
  return instead(encodeCommand(words), (reply) => (noSuchKey.test(reply.toString('latin1', 0, 32)) ? encodeInteger(0) : reply))
}

const copy: Handler = (at, args, spec) => {
  const to = destinationDb(spec, args)
  if (!(to >= 0)) return withKeys(at, spec, args, [], null)
  if (!isCarried(at.fold, to)) return outOfRange
  const clashes = clashOf(at.fold, at.db, argBytes(args, 1)) ?? clashOf(at.fold, to, argBytes(args, 2))
  if (clashes !== null) return clashes
  const words: (Buffer | string)[] = [
    'COPY',
    Buffer.concat([foldPrefix(at.fold, at.db), argBytes(args, 1)]),
    Buffer.concat([foldPrefix(at.fold, to), argBytes(args, 2)]),
  ]
  for (let i = 3; i < args.argc; i++) {
    if (argIs(args, i, 'db')) i++
    else words.push(Buffer.from(argBytes(args, i)))
  }
  return instead(encodeCommand(words))
}

/** Everything in the one database, and nothing in others that the target may have. */
const flushAll: Handler = (_, args) =>
  instead(encodeCommand(['FLUSHDB', ...Array.from({ length: args.argc - 1 }, (_word, i) => Buffer.from(argBytes(args, i + 1)))]))

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['keys', keysMatching],
  ['scan', scan],
  ['randomkey', (at) => steps(() => randomKey(at))],
  ['dbsize', (at) => steps(() => countedKeys(at))],
  ['flushdb', (at) => steps(() => flushed(at))],
  ['flushall', flushAll],
  ['info', (at, args) => (args.argc === 2 && argIs(args, 1, 'keyspace') ? steps(() => keyspaceText(at)) : asItIs)],
  ['move', move],
  ['copy', copy],
  ['swapdb', () => unsupported('SWAPDB on a target that has all databases in one')],
  ['migrate', () => unsupported('MIGRATE on a target that has all databases in one')],
  ['sort', sort],
  ['sort_ro', sort],
  ...['lmpop', 'zmpop', 'blmpop', 'bzmpop', 'blpop', 'brpop', 'bzpopmin', 'bzpopmax'].map(
    (name) => [name, replyOf(firstIn)] as const,
  ),
  ['xread', streams],
  ['xreadgroup', streams],
])
