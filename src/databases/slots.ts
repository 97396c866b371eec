/** What a cluster tells of its slots, where its databases are others than the source's. */
import { type DatabaseLayout, foldedDb, foldPrefixBytes } from '../routing/database-layout.ts'

interface Slots {
  readonly version: number
  movedSince(version: number): ReadonlySet<number>
  inTransit(): Promise<readonly number[]>
  libraries(): Promise<readonly ReadonlyMap<string, string>[]>
  keysIn(slot: number, db: number): Promise<readonly Buffer[]>
}

export function slotsWith(layout: DatabaseLayout | null, slots: Slots): Slots {
  if (layout === null) return slots
  return {
    get version() {
      return slots.version
    },
    movedSince: (version) => slots.movedSince(version),
    inTransit: () => slots.inTransit(),
    libraries: () => slots.libraries(),
    keysIn: async (slot, db) => {
      if (layout.kind === 'map') {
        const there = layout.toTarget.get(db)
        return there === undefined ? [] : slots.keysIn(slot, there)
      }
      const keys = await slots.keysIn(slot, 0)
      const own = keys.filter((key) => foldedDb(layout, key, 0, key.length) === db)
      return own.map((key) => key.subarray(foldPrefixBytes(layout, db)))
    },
  }
}
