/** Which part of the key space is copied: hash slots from..below. */
import { slotCount, slotOf } from '../routing/slot.ts'

export interface SlotRange {
  readonly from: number
  readonly below: number
}

/** Those of the keys that lie in it, in their order. */
export function keysWithin({ from, below }: SlotRange, keys: readonly Buffer[]): readonly Buffer[] {
  if (from === 0 && below === slotCount) return keys
  return keys.filter((key) => {
    const slot = slotOf(key, 0, key.length)
    return slot >= from && slot < below
  })
}
