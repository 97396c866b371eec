/**
 * What takes a walk over the one database of the target: SCAN in pages, each asked for when the one before is in. A key that lies there
 * from the first page to the last is found; one may be found twice, so counts are never too low.
 */
import { decodeReply, isReplyError } from '../resp/decode.ts'
import { encodeBulk, encodeCommand, encodeInteger, replies } from '../resp/encode.ts'
import { type DatabaseFold, foldedDb, foldPrefix, globLiteral } from '../routing/database-layout.ts'
import type { Steps } from './carried.ts'
import type { FoldedAt } from './folded-at.ts'
import { isError } from './replies.ts'

/** Keys asked for at once: a server is busy with them for about a millisecond. */
const pageKeys = 2_000
/** RANDOMKEY is asked for so often before any key will do. */
const randomTriesMax = 32

/** Gives the error where the server refuses. `work` may give a command to be sent before the next page, and end the walk. */
function* eachPage(
  pattern: Buffer | null,
  work: (keys: readonly Buffer[]) => Buffer | 'enough' | null,
): Generator<Buffer, Buffer | null, Buffer> {
  let next = '0'
  do {
    const match = pattern === null ? [] : ['MATCH', pattern]
    const reply: Buffer = yield encodeCommand(['SCAN', next, ...match, 'COUNT', pageKeys])
    const { value } = decodeReply(reply)
    if (!Array.isArray(value)) return reply
    const then = work(value[1] as Buffer[])
    if (then === 'enough') return null
    next = String(value[0])
    if (then === null) continue
    const done: Buffer = yield then
    if (isError(done)) return done
  } while (next !== '0')
  return null
}

/** Of database 0 all keys have to be looked through, of another those that begin with its prefix. */
const patternOf = ({ fold, db }: FoldedAt): Buffer | null =>
  db === 0 ? null : Buffer.concat([globLiteral(foldPrefix(fold, db)), Buffer.from('*')])

const isOf = (fold: DatabaseFold, db: number, key: Buffer): boolean => foldedDb(fold, key, 0, key.length) === db

export function* countedKeys(at: FoldedAt): Steps {
  let count = 0
  const failure = yield* eachPage(patternOf(at), (keys) => {
    for (const key of keys) if (isOf(at.fold, at.db, key)) count++
    return null
  })
  return failure ?? encodeInteger(count)
}

/** INFO keyspace: how many keys of a database may expire is not known, only how many of all do. */
export function* keyspaceText({ fold, protocol }: FoldedAt): Steps {
  const told: Buffer = yield encodeCommand(['INFO', 'keyspace'])
  const { value } = decodeReply(told)
  if (isReplyError(value)) return told
  const [, expires = '0'] = /^db0:keys=\d+,expires=(\d+)/m.exec(String(value)) ?? []
  const counts = new Map<number, number>()
  const failure = yield* eachPage(null, (keys) => {
    for (const key of keys) {
      const db = foldedDb(fold, key, 0, key.length)
      counts.set(db, (counts.get(db) ?? 0) + 1)
    }
    return null
  })
  if (failure !== null) return failure
  const lines = [...counts]
    .sort(([one], [other]) => one - other)
    .map(([db, keys]) => `db${db}:keys=${keys},expires=${Math.min(keys, Number(expires))},avg_ttl=0\r\n`)
  const text = `# Keyspace\r\n${lines.join('')}`
  return protocol === 3 ? Buffer.from(`=${text.length + 4}\r\ntxt:${text}\r\n`) : encodeBulk(text)
}

/** Answered when all of them are gone. */
export function* flushed(at: FoldedAt): Steps {
  const failure = yield* eachPage(patternOf(at), (keys) => {
    const own = keys.filter((key) => isOf(at.fold, at.db, key))
    return own.length === 0 ? null : encodeCommand(['UNLINK', ...own])
  })
  return failure ?? replies.ok
}

export function* randomKey(at: FoldedAt): Steps {
  const { fold, db, protocol } = at
  const own = (key: Buffer): Buffer => encodeBulk(key.subarray(foldPrefix(fold, db).length))
  for (let tries = 0; tries < randomTriesMax; tries++) {
    const reply: Buffer = yield encodeCommand(['RANDOMKEY'])
    const { value } = decodeReply(reply)
    if (!Buffer.isBuffer(value)) return reply
    if (isOf(fold, db, value)) return own(value)
  }
  let found: Buffer | null = null
  const failure = yield* eachPage(patternOf(at), (keys) => {
    found = keys.filter((key) => isOf(fold, db, key)).map(own)[0] ?? null
    return found === null ? null : 'enough'
  })
  return failure ?? found ?? (protocol === 3 ? replies.null3 : replies.nullBulk)
}
