import { describe, expect, it } from 'vitest'
import { authorityOf, ReadPlan, Traffic, type TrafficWish } from '../../../src/dispatch/traffic.ts'
import { otherSide, phases, readModes, writePolicies } from '../../../src/routing/modes.ts'
import { slotCount } from '../../../src/routing/slot.ts'

const wish = (changes: Partial<TrafficWish> = {}): TrafficWish => ({
  phase: 'mirror',
  writePolicy: 'old-authoritative',
  readMode: 'old',
  readPercentage: 0,
  ratioBy: 'slot',
  tenants: [],
  ...changes,
})

function traffic(changes: Partial<TrafficWish>, coveredSlots = slotCount): Traffic {
  const made = new Traffic(wish(changes))
  made.cover(coveredSlots)
  return made
}

describe('the authority', () => {
  it('is what the phase says where only one side is written to', () => {
    for (const writePolicy of writePolicies) {
      expect(authorityOf({ phase: 'observe', writePolicy })).toBe('source')
      expect(authorityOf({ phase: 'complete', writePolicy })).toBe('target')
    }
  })

  it('is the side that the policy names, else the source until the cut-over', () => {
    for (const phase of ['mirror', 'canary', 'cutover'] as const) {
      expect(authorityOf({ phase, writePolicy: 'old-authoritative' })).toBe('source')
      expect(authorityOf({ phase, writePolicy: 'new-authoritative' })).toBe('target')
      for (const writePolicy of ['best-effort', 'both-required', 'last-write-wins', 'two-phase-commit'] as const) {
        expect(authorityOf({ phase, writePolicy })).toBe(phase === 'cutover' ? 'target' : 'source')
      }
    }
  })

  it('and the follower are always two different sides, and writes are mirrored only between the first and the last phase', () => {
    for (const phase of phases) {
      for (const writePolicy of writePolicies) {
        const made = traffic({ phase, writePolicy })
        expect(made.follower).toBe(otherSide(made.authority))
        expect(made.mirrored).toBe(phase !== 'observe' && phase !== 'complete')
        expect(made.authoritative).toBe(writePolicy === 'old-authoritative' || writePolicy === 'new-authoritative')
      }
    }
  })
})

describe('reads', () => {
  it('stay with the authority in every mode while only one side is written to', () => {
    for (const readMode of readModes) {
      for (const phase of ['observe', 'complete'] as const) {
        expect(traffic({ phase, readMode, readPercentage: 100 }).readPlan).toBe(ReadPlan.authority)
      }
    }
  })

  it('old and new name a side, whichever has the authority', () => {
    expect(traffic({ readMode: 'old' }).readPlan).toBe(ReadPlan.authority)
    expect(traffic({ readMode: 'new' }).readPlan).toBe(ReadPlan.follower)
    expect(traffic({ readMode: 'old', writePolicy: 'new-authoritative' }).readPlan).toBe(ReadPlan.follower)
    expect(traffic({ readMode: 'new', writePolicy: 'new-authoritative' }).readPlan).toBe(ReadPlan.authority)
  })

  it('do not go to a target that was not copied yet', () => {
    const made = traffic({ readMode: 'new' }, slotCount - 1)
    expect([made.covered, made.readPlan]).toEqual([false, ReadPlan.authority])
    made.cover(slotCount)
    expect([made.covered, made.readPlan]).toEqual([true, ReadPlan.follower])
    made.cover(0)
    expect(made.readPlan).toBe(ReadPlan.authority)
  })

  it('are split by slot, by client, or compared', () => {
    expect(traffic({ readMode: 'ratio' }).readPlan).toBe(ReadPlan.bySlot)
    expect(traffic({ readMode: 'ratio', ratioBy: 'connection' }).readPlan).toBe(ReadPlan.byClient)
    expect(traffic({ readMode: 'ratio', ratioBy: 'tenant' }).readPlan).toBe(ReadPlan.byClient)
    for (const readMode of ['fallback-on-miss', 'version-compare', 'replicated'] as const) {
      expect(traffic({ readMode }).readPlan).toBe(ReadPlan.compared)
    }
  })

  it.each([
    [0, slotCount, 0],
    [5, slotCount, 819],
    [50, slotCount, slotCount / 2],
    [100, slotCount, slotCount],
    [100, 1_000, 1_000],
    [5, 0, 0],
    [1, 100, 100],
  ])('%i %% with %i slots copied: %i slots read from the target', (readPercentage, coveredSlots, targetSlots) => {
    expect(traffic({ readMode: 'ratio', readPercentage }, coveredSlots).targetSlots).toBe(targetSlots)
  })

  it('a new wish keeps what is copied', () => {
    const made = traffic({ readMode: 'ratio', readPercentage: 5 }, 5_000)
    made.apply(wish({ phase: 'canary', readMode: 'ratio', readPercentage: 100 }))
    expect([made.coveredSlots, made.targetSlots]).toEqual([5_000, 5_000])
  })
})
