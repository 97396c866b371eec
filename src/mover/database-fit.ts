/**
 * Whether everything that is to be copied has a database to go to. Asked before a copy begins, and while one may: a source that does not fit
 * is refused as a whole, not key by key.
 */
import type { Core } from '../dispatch/core.ts'
import { databaseRefusal } from '../dispatch/known-databases.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { FerryError } from '../errors.ts'
import { isLeftOut } from '../routing/database-layout.ts'
import { otherSide, type Side } from '../routing/modes.ts'
import type { RuledCopy } from './ruled-copy.ts'
import { keyCounts } from './scan.ts'

export interface Misfit {
  readonly db: number
  /** 0: a client is in it, and may write at any time. */
  readonly keys: number
  /** In the words of the side that lacks it. */
  readonly why: string
}

const databasesTold = 16

/**
 * Databases that hold keys on the side `from`, or that clients are in, and that the other side does not have. One that the rules leave out needs
 * no place. Rejects with TransferLost.
 */
export async function misfitsOf(
  lanes: Lanes,
  from: Side,
  rules: RuledCopy | null,
  used: ReadonlySet<number> = new Set(),
): Promise<Misfit[]> {
  const counts = await keyCounts(lanes.lane(from))
  rules?.leaveOut(counts, null)
  const misfits: Misfit[] = []
  for (const db of [...new Set([...counts.keys(), ...used])].sort((one, other) => one - other)) {
    if (isLeftOut(lanes.databases, db) && !used.has(db)) continue
    // Everybody is in it who has chosen none.
    if (db === 0 && !counts.has(0)) continue
    const why = carriesNothing(lanes, from, db) ?? (await databaseRefusal(lanes.lane(otherSide(from)), db))
    if (why !== null) misfits.push({ db, keys: counts.get(db)?.keys ?? 0, why })
  }
  return misfits
}

/** Of those that hold keys, in order. Of a side that has some which the authority cannot have, only the others. Rejects with TransferLost. */
export async function databasesToScan(core: Core, lanes: Lanes, scanned: Side, counted: Iterable<number>): Promise<number[]> {
  const { authority } = core.traffic
  const dbs: number[] = []
  for (const db of [...counted].sort((one, other) => one - other)) {
    if (isLeftOut(lanes.databases, db)) continue
    const why = scanned === authority ? null : await databaseRefusal(lanes.lane(authority), db)
    if (why === null) dbs.push(db)
    else core.events.record('mover', `keys in database ${db} of ${scanned} are left alone`, { reason: why })
  }
  return dbs
}

/** Every connection begins in database 0, so its server cannot be asked. */
function carriesNothing({ databases }: Lanes, from: Side, db: number): string | null {
  if (db !== 0 || from !== 'source' || databases?.kind !== 'map' || databases.toTarget.has(0)) return null
  return 'target has no database 0 (it is not in target.databases)'
}

/** One line for people. */
export function misfitText(misfits: readonly Misfit[]): string {
  const told = misfits.slice(0, databasesTold).map(({ db, keys }) => `${db} (${keys > 0 ? `${keys} keys` : 'used by clients'})`)
  const more = misfits.length > databasesTold ? ` and ${misfits.length - databasesTold} more` : ''
  return `databases of the source that the target does not have: ${told.join(', ')}${more}`
}

export const misfitHelp: readonly string[] = [
  'give the target as many databases (its own setting `databases`), or set one of these (--databases for `ferry copy`):',
  'target.databases: fold, which puts all of them into database 0, with a prefix before the keys',
  'target.databases: a map such as {0: 0, 5: 1}, which gives them other numbers',
  'none in that map for what is to be left out, as in {0: 0, 5: none}',
]

export const databasesUnfit = (misfits: readonly Misfit[]): FerryError =>
  new FerryError('databases-unfit', misfitText(misfits), {
    details: [...misfits.map(({ db, keys, why }) => `database ${db}, ${keys} keys: ${why}`), ...misfitHelp],
  })
