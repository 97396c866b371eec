/** What a target has that Ferry has not put there: asked before the first copy to it begins. Ferry's own temporary keys never count. */
import { isTemporaryKey } from '../dispatch/typed/temporary-key.ts'
import { printable } from '../resp/printable.ts'
import { type DatabaseLayout, foldPrefix } from '../routing/database-layout.ts'
import type { Lane } from '../upstream/lane.ts'
import { keyCounts, scanPage } from './scan.ts'

const pageKeys = 1_000
const databasesTold = 16

/** In one database, in the source's numbering. */
export interface ForeignKeys {
  readonly db: number
  /** All that are there, as the server counts them. */
  readonly keys: number
  /** One that is foreign. */
  readonly example: Buffer
}

/**
 * Databases with keys of somebody else's. The server's own counts come first: keys are looked at only where there are any, and only up to the
 * first that is foreign. `isOf`: which databases are asked about; `foreign`: which of these keys are. Rejects with TransferLost.
 */
export async function foreignKeys(
  lane: Lane,
  isOf: (db: number) => boolean | Promise<boolean>,
  foreign: (db: number, keys: Buffer[]) => Buffer[] | Promise<Buffer[]> = (_db, keys) => keys,
): Promise<ForeignKeys[]> {
  const found: ForeignKeys[] = []
  for (const [db, { keys }] of await keyCounts(lane)) {
    const example = keys > 0 && (await isOf(db)) ? await firstForeign(lane, db, foreign) : null
    if (example !== null) found.push({ db, keys, example })
  }
  return found
}

async function firstForeign(
  lane: Lane,
  db: number,
  foreign: (db: number, keys: Buffer[]) => Buffer[] | Promise<Buffer[]>,
): Promise<Buffer | null> {
  for (let cursor = '0'; ; ) {
    const page = await scanPage(lane, db, cursor, pageKeys)
    const [first] = await foreign(
      db,
      page.keys.filter((key) => !isTemporaryKey(key)),
    )
    if (first !== undefined) return first
    if (page.next === '0') return null
    cursor = page.next
  }
}

/** One line for people, with numbers and names as the target has them. */
export function foreignText(found: readonly ForeignKeys[], layout: DatabaseLayout | null): string {
  const told = found.slice(0, databasesTold).map(({ db, keys, example }) => {
    const count = `${keys} ${keys === 1 ? 'key' : 'keys'}`
    return `${placeOf(layout, db)}: ${count}, e.g. "${printable(nameOf(layout, db, example))}"`
  })
  const more = found.length > databasesTold ? `; and ${found.length - databasesTold} databases more` : ''
  return `the target is not empty (${told.join('; ')}${more})`
}

function placeOf(layout: DatabaseLayout | null, db: number): string {
  const there = layout === null ? db : layout.kind === 'fold' ? 0 : (layout.toTarget.get(db) ?? db)
  return there === db ? `database ${db}` : `database ${there}, for ${db} of the source`
}

const nameOf = (layout: DatabaseLayout | null, db: number, key: Buffer): Buffer =>
  layout?.kind === 'fold' ? Buffer.concat([foldPrefix(layout, db), key]) : key
