/** What a side that is a cluster tells about slots that change hands: a scan may pass one of its servers before a slot comes there. */
export interface SlotLayout {
  /** Grows whenever slots have changed hands. */
  readonly version: number
  /** Names the map and the order in which a scan visits its servers: two processes that give the same text give the same cursors. Null until it is known. */
  readonly digest: string | null
  movedSince(version: number): ReadonlySet<number>
  /** Slots on their way between two servers now. Rejects where a server cannot be asked. */
  inTransit(): Promise<readonly number[]>
  /** Every key of a slot, also while it is on its way. Rejects where a server cannot be asked. */
  keysIn(slot: number, db: number): Promise<readonly Buffer[]>
  /** The sources of the function libraries by name, of each server. Rejects where a server cannot be asked. */
  libraries(): Promise<readonly ReadonlyMap<string, string>[]>
}
