/** What becomes of a command on a target where other numbers stand for the source's databases. Pure. */
import { type ArgView, argInteger, argIs } from '../commands/arg-view.ts'
import { createKeyList, type KeyList, keyPositions } from '../commands/keys.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import { encodeCommand, replies } from '../resp/encode.ts'
import type { DatabaseMap } from '../routing/database-layout.ts'
import { type ArgumentEdit, asItIs, type Carried, edited, outOfRange, type Steps, steps, unsupported } from './carried.ts'
import { isError, textIn } from './replies.ts'

const keys: KeyList = createKeyList()
const wholeDatabase: ReadonlySet<string> = new Set(['keys', 'scan', 'dbsize', 'randomkey', 'flushdb'])

/** `db`: the source's number. Everything but SELECT and subscribing, which depend on what was sent before. */
export function mapCommand(map: DatabaseMap, db: number, spec: CommandSpec, args: ArgView): Carried {
  if (!map.toTarget.has(db) && needsDatabase(spec, args)) return unsupported(`the target has no database ${db}`)
  if (!arityOk(spec, args.argc)) return asItIs
  switch (spec.name) {
    case 'move':
      return renumbered(map, args, [2])
    case 'swapdb':
      return renumbered(map, args, [1, 2])
    case 'copy':
      return renumbered(map, args, placesOfDb(args))
    case 'flushall':
      return steps(() => flushedAll(map, db))
    case 'info':
      return edited([], (reply) => textIn(reply, (text) => renumberedText(map, text)))
    default:
      return asItIs
  }
}

function needsDatabase(spec: CommandSpec, args: ArgView): boolean {
  if (wholeDatabase.has(spec.name) || spec.kind === Kind.Script || spec.kind === Kind.Unknown) return true
  return keyPositions(spec, args, keys) > 0 || !keys.valid
}

function placesOfDb(args: ArgView): number[] {
  const places: number[] = []
  for (let i = 3; i + 1 < args.argc; i++) if (argIs(args, i, 'db')) places.push(++i)
  return places
}

/** What is no number is refused by the server itself. */
function renumbered(map: DatabaseMap, args: ArgView, places: readonly number[]): Carried {
  const edits: ArgumentEdit[] = []
  for (const at of places) {
    const db = argInteger(args, at)
    if (Number.isNaN(db)) return asItIs
    const to = map.toTarget.get(db)
    if (to === undefined) return outOfRange
    edits.push({ at, bytes: Buffer.from(String(to)) })
  }
  return edited(edits)
}

/** Databases of the target that stand for none of the source's are none of its business. */
function renumberedText(map: DatabaseMap, text: string): string {
  const lines: [number, string][] = []
  const rest = text.replace(/^db(\d+):(.*?)\r?\n/gm, (_line, number: string, counts: string) => {
    const db = map.toSource.get(Number(number))
    if (db !== undefined) lines.push([db, `db${db}:${counts}\r\n`])
    return ''
  })
  const ordered = lines.sort(([one], [other]) => one - other).map(([, line]) => line)
  return rest.replace(/^# Keyspace\r?\n/m, (head) => head + ordered.join(''))
}

/** A database that the server does not have holds nothing. */
function* flushedAll(map: DatabaseMap, db: number): Steps {
  let failure: Buffer | null = null
  for (const to of map.toTarget.values()) {
    const there: Buffer = yield encodeCommand(['SELECT', to])
    if (isError(there)) continue
    const reply: Buffer = yield encodeCommand(['FLUSHDB'])
    if (isError(reply)) failure ??= reply
  }
  const back: Buffer = yield encodeCommand(['SELECT', map.toTarget.get(db) ?? 0])
  return failure ?? (isError(back) ? back : replies.ok)
}
