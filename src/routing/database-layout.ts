/**
 * Which database of the target stands for which of the source: the same number (no layout at all), another one, or database 0 with a prefix
 * before each key. Pure: what is written to the target follows from it in src/databases.
 */

/** Of each source database, its number on the target. What is in neither does not exist there. */
export interface DatabaseMap {
  readonly kind: 'map'
  readonly toTarget: ReadonlyMap<number, number>
  readonly toSource: ReadonlyMap<number, number>
  /** Neither copied nor carried, by wish. */
  readonly leftOut: ReadonlySet<number>
}

/** All in database 0: a key of database 0 under its own name, one of another behind `before`, the number and `after`. */
export interface DatabaseFold {
  readonly kind: 'fold'
  readonly before: Buffer
  readonly after: Buffer
}

export type DatabaseLayout = DatabaseMap | DatabaseFold

/** As it may be written in a configuration; the values of a map are numbers, or `none` for what is left out. */
export type DatabaseSetting = string | Readonly<Record<string, number | 'none'>>

const defaultTemplate = 'db{db}:'
const templateBytesMax = 64
/** No server has more. */
const databasesMax = 1_000_000
const digitsMax = 7
const zero = 48

/** Null: every database has the same number on both sides. Throws an Error that says what was expected. */
export function databaseLayoutOf(setting: DatabaseSetting): DatabaseLayout | null {
  if (typeof setting !== 'string') return mapOf(Object.entries(setting).map(([from, to]) => [from, String(to)]))
  if (setting === 'same') return null
  if (setting === 'fold') return foldOf(defaultTemplate)
  if (setting.startsWith('fold=')) return foldOf(setting.slice(5))
  const pairs = setting.split(',').map((pair) => pair.split('=').map((word) => word.trim()))
  if (pairs.some(({ length }) => length !== 2)) {
    throw new Error(`expected same, fold, fold=<prefix with {db} in it>, or pairs such as 0=0,1=3,2=none, found '${setting}'`)
  }
  return mapOf(pairs as [string, string][])
}

function mapOf(pairs: readonly (readonly [string, string])[]): DatabaseMap {
  const toTarget = new Map<number, number>()
  const toSource = new Map<number, number>()
  const leftOut = new Set<number>()
  for (const [left, right] of pairs) {
    const from = numberOf(left)
    if (toTarget.has(from) || leftOut.has(from)) throw new Error(`expected each database once, found ${from} again`)
    if (right === 'none') {
      leftOut.add(from)
      continue
    }
    const to = numberOf(right)
    const other = toSource.get(to)
    if (other !== undefined) throw new Error(`expected another target for each database, found ${to} for ${other} and ${from}`)
    toTarget.set(from, to)
    toSource.set(to, from)
  }
  if (toTarget.size === 0) throw new Error('expected at least one database that is carried')
  return { kind: 'map', toTarget, toSource, leftOut }
}

function numberOf(text: string): number {
  const value = /^(0|[1-9]\d{0,6})$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= databasesMax)) throw new Error(`expected the number of a database, found '${text}'`)
  return value
}

/** A brace would change the slot of keys that have a tag; a digit beside the number would make it another one. */
function foldOf(template: string): DatabaseFold {
  const [before, after, more] = template.split('{db}')
  if (before === undefined || after === undefined || more !== undefined) {
    throw new Error(`expected a prefix that holds {db} once, found '${template}'`)
  }
  if (
    /[{}]/.test(before + after) ||
    /\d$/.test(before) ||
    after === '' ||
    /^\d/.test(after) ||
    template.length > templateBytesMax
  ) {
    throw new Error(
      `expected {db} with text behind it, no digit beside it and no other braces, in ${templateBytesMax} characters at most, found '${template}'`,
    )
  }
  return { kind: 'fold', before: Buffer.from(before), after: Buffer.from(after) }
}

/** What stands before each key of this database; empty for database 0. */
export function foldPrefix(fold: DatabaseFold, db: number): Buffer {
  return db === 0 ? Buffer.alloc(0) : Buffer.concat([fold.before, Buffer.from(String(db)), fold.after])
}

/** Of which database a key in the target is; its own name begins behind that database's prefix. */
export function foldedDb({ before, after }: DatabaseFold, buf: Buffer, start: number, length: number): number {
  const end = start + length
  let at = start
  if (length <= before.length + after.length) return 0
  for (let i = 0; i < before.length; i++) if (buf[at++] !== before[i]) return 0
  let db = 0
  const digits = at
  for (; at < end && at - digits < digitsMax; at++) {
    const digit = (buf[at] as number) - zero
    if (!(digit >= 0 && digit <= 9)) break
    if (digit === 0 && at === digits) return 0
    db = db * 10 + digit
  }
  if (at === digits || db > databasesMax || end - at < after.length) return 0
  for (let i = 0; i < after.length; i++) if (buf[at++] !== after[i]) return 0
  return db
}

/** How long the prefix of such a key is. */
export function foldPrefixBytes({ before, after }: DatabaseFold, db: number): number {
  return db === 0 ? 0 : before.length + String(db).length + after.length
}

/** What a key of the source is in the target; null: it has no place there. */
export function placedBy(layout: DatabaseLayout, db: number, key: Buffer): { db: number; key: Buffer } | null {
  if (layout.kind === 'fold') return { db: 0, key: Buffer.concat([foldPrefix(layout, db), key]) }
  const there = layout.toTarget.get(db)
  return there === undefined ? null : { db: there, key }
}

/** Whether the target could have this database; whether its server does is for the server to say. */
export function isCarried(layout: DatabaseLayout | null, db: number): boolean {
  if (layout === null) return true
  return layout.kind === 'fold' ? db >= 0 && db <= databasesMax : layout.toTarget.has(db)
}

/** Neither copied nor compared, by wish. */
export const isLeftOut = (layout: DatabaseLayout | null, db: number): boolean => layout?.kind === 'map' && layout.leftOut.has(db)

/** Text that a pattern takes literally. */
export function globLiteral(text: Buffer): Buffer {
  return Buffer.from(text.toString('latin1').replace(/[*?[\]\\]/g, '\\$&'), 'latin1')
}
