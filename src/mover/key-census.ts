/**
 * A cheap proof that the follower has no key which the authority has not: once everything was copied the follower has all of the
 * authority's keys, so where both have the same number of them there is nothing over. Taken behind the gate, with nothing under way and
 * the journal empty. A key that may expire is counted until its server removes it, so with expiries a count proves nothing.
 */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { sides } from '../routing/modes.ts'
import { type KeyCount, keyCounts } from './scan.ts'

/** Writes wait at the gate for no longer than this; after it the census is given up. */
const gateMs = 50

/** False also where it cannot be told. Never rejects. */
export async function nothingIsOver(core: Core, lanes: Lanes): Promise<boolean> {
  const { board, journal } = core
  let ended = false
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), gateMs))
  const counted = new Promise<boolean>((resolve) => {
    board.closeGate(() => {
      if (ended || journal.size > 0 || core.recopy !== 'no') resolve(false)
      else
        void dry(lanes)
          .then(() => !ended && alike(lanes))
          .then(resolve, () => resolve(false))
    })
  })
  const proven = await Promise.race([counted, late])
  ended = true
  board.openGate()
  return proven && journal.size === 0
}

async function dry(lanes: Lanes): Promise<void> {
  await Promise.all(sides.map((side) => new Promise<void>((resolve) => lanes.whenAnswered(side, () => resolve()))))
}

async function alike(lanes: Lanes): Promise<boolean> {
  const [source, target] = await Promise.all(sides.map((side) => keyCounts(lanes.lane(side))))
  return source !== undefined && target !== undefined && sameCounts(source, target)
}

/** Same databases, as many keys in each, and none of them with an expiry. */
export function sameCounts(one: ReadonlyMap<number, KeyCount>, other: ReadonlyMap<number, KeyCount>): boolean {
  if (one.size !== other.size) return false
  for (const [db, { keys, expiring }] of one) {
    const there = other.get(db)
    if (there === undefined || there.keys !== keys || expiring > 0 || there.expiring > 0) return false
  }
  return true
}
