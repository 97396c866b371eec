/** What a verification has looked at: how many keys of which type, and what decided about them. */

/** What said that a key is equal, or not: its bytes as read; its payload, or a digest of it, of either side; its meaning. */
export const looks = ['bytes', 'payload', 'digest', 'value'] as const
export type Look = (typeof looks)[number]

export interface TallyDocument {
  readonly types: Record<string, number>
  readonly looks: Record<Look, number>
}

export class Tally {
  readonly types = new Map<string, number>()
  readonly looks: Record<Look, number> = { bytes: 0, payload: 0, digest: 0, value: 0 }

  compared(type: string, look: Look | null, keys = 1): void {
    if (keys === 0) return
    this.types.set(type, (this.types.get(type) ?? 0) + keys)
    if (look !== null) this.looks[look] += keys
  }

  add(other: Tally): void {
    for (const [type, keys] of other.types) this.compared(type, null, keys)
    for (const look of looks) this.looks[look] += other.looks[look]
  }

  get keys(): number {
    let sum = 0
    for (const keys of this.types.values()) sum += keys
    return sum
  }

  document(): TallyDocument {
    return { types: Object.fromEntries(this.types), looks: { ...this.looks } }
  }

  restore({ types, looks: counted }: TallyDocument): void {
    for (const [type, keys] of Object.entries(types)) this.types.set(type, keys)
    Object.assign(this.looks, counted)
  }
}
