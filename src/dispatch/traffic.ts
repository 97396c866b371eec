/** How commands are carried right now: what was asked for, and what follows from it for the hot path. Changed in one place, read by all. */
import { otherSide, type Phase, type RatioUnit, type ReadMode, type Side, type WritePolicy } from '../routing/modes.ts'
import { slotCount } from '../routing/slot.ts'

export interface TrafficWish {
  readonly phase: Phase
  readonly writePolicy: WritePolicy
  readonly readMode: ReadMode
  /** 0 to 100, for `ratio`. */
  readonly readPercentage: number
  readonly ratioBy: RatioUnit
  readonly tenants: readonly string[]
}

/** What a read does before its key is looked at. */
export const ReadPlan = { authority: 0, follower: 1, bySlot: 2, byClient: 3, compared: 4 } as const

export class Traffic {
  wish: TrafficWish
  /** The side whose data is the truth. */
  authority: Side = 'source'
  follower: Side = 'target'
  /** How often the authority has changed: what was begun before may count for nothing afterwards. */
  flips = 0
  /** Whether writes go to both sides. */
  mirrored = false
  /** Whether the reply is the authority's alone, so that runs of commands can be carried together. */
  authoritative = true
  readPlan: number = ReadPlan.authority
  /** Reads of slots below this go to the target. */
  targetSlots = 0
  /** Slots below this are known to be copied. */
  coveredSlots = 0

  constructor(wish: TrafficWish) {
    this.wish = wish
    this.apply(wish)
  }

  /** Whether a plain write needs nothing but its two halves: its reply is one side's, and no part of a value can mislead a read. */
  get plainWrites(): boolean {
    return this.authoritative && !this.partsMislead
  }

  /** A read that takes the target's word for a key must not find the part that a write made there before the key was copied. */
  get partsMislead(): boolean {
    return this.mirrored && !this.covered && this.wish.readMode === 'fallback-on-miss'
  }

  get covered(): boolean {
    return this.coveredSlots >= slotCount
  }

  apply(wish: TrafficWish): void {
    this.wish = wish
    const authority = authorityOf(wish)
    if (authority !== this.authority) this.flips++
    this.authority = authority
    this.follower = otherSide(this.authority)
    this.mirrored = wish.phase !== 'observe' && wish.phase !== 'complete'
    this.authoritative = wish.writePolicy === 'old-authoritative' || wish.writePolicy === 'new-authoritative'
    this.#derive()
  }

  cover(slots: number): void {
    this.coveredSlots = slots
    this.#derive()
  }

  #derive(): void {
    const { readMode, readPercentage, ratioBy } = this.wish
    this.targetSlots = Math.min(Math.round((readPercentage / 100) * slotCount), this.coveredSlots)
    if (!this.mirrored) this.readPlan = ReadPlan.authority
    else if (readMode === 'old') this.readPlan = this.#plainSide('source')
    else if (readMode === 'new') this.readPlan = this.covered ? this.#plainSide('target') : ReadPlan.authority
    else if (readMode === 'ratio') this.readPlan = ratioBy === 'slot' ? ReadPlan.bySlot : ReadPlan.byClient
    else this.readPlan = ReadPlan.compared
  }

  #plainSide(side: Side): number {
    return side === this.authority ? ReadPlan.authority : ReadPlan.follower
  }
}

/** The policies that name a side make it the truth; the others leave it to the phase. */
export function authorityOf(wish: Pick<TrafficWish, 'phase' | 'writePolicy'>): Side {
  if (wish.phase === 'observe') return 'source'
  if (wish.phase === 'complete') return 'target'
  if (wish.writePolicy === 'old-authoritative') return 'source'
  if (wish.writePolicy === 'new-authoritative') return 'target'
  return wish.phase === 'cutover' ? 'target' : 'source'
}
