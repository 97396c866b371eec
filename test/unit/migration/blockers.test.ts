import { describe, expect, test } from 'vitest'
import { blockersOf, type Situation } from '../../../src/migration/blockers.ts'

const free: Situation = {
  phase: 'mirror',
  covered: true,
  resyncReason: null,
  dirtyKeys: 0,
  failedKeys: 0,
  functionProblem: null,
  databaseProblem: null,
  targetKeysProblem: null,
  sourceUp: true,
  targetUp: true,
  moverRunning: false,
  paused: false,
  verification: { maxAgeMs: 0, ageMs: null, differences: 0, outdated: false },
}

const verified = (verification: Partial<Situation['verification']>, rest: Partial<Situation> = {}): Situation => ({
  ...free,
  ...rest,
  verification: { ...free.verification, maxAgeMs: 60_000, ...verification },
})

test('keys of somebody else’s on the target hold back whatever would copy there', () => {
  const found = { ...free, targetKeysProblem: 'the target is not empty' }
  expect(blockersOf('start', { ...found, phase: 'observe' })).toEqual(['the target is not empty'])
  for (const step of ['ramp', 'cutover'] as const) {
    expect(blockersOf(step, { ...found, covered: false })).toContain('the target is not empty')
    expect(blockersOf(step, found)).toEqual([])
  }
  expect(blockersOf('complete', { ...found, covered: false })).not.toContain('the target is not empty')
})

describe('the age of the last verification', () => {
  test('holds nothing back unless it is asked for', () => {
    for (const step of ['start', 'ramp', 'cutover', 'complete'] as const) expect(blockersOf(step, free)).toEqual([])
  })

  test.each([
    [{ ageMs: 60_000 }, null],
    [{ ageMs: 60_001 }, 'the last verification began 60 s ago, gates.verificationMaxAgeMs allows 60 s: run `ferry verify`'],
    [{ ageMs: 5, differences: 3 }, 'the last verification left 3 differences: run `ferry verify --repair`'],
    [{}, 'the two sides were never verified in full: run `ferry verify` (gates.verificationMaxAgeMs allows 60 s)'],
    [
      { outdated: true },
      'more than single keys were in doubt since the last verification began: run `ferry verify` (gates.verificationMaxAgeMs allows 60 s)',
    ],
  ])('%o: %s', (verification, blocker) => {
    const expected = blocker === null ? [] : [blocker]
    for (const step of ['ramp', 'cutover', 'complete'] as const)
      expect(blockersOf(step, verified(verification))).toEqual(expected)
    expect(blockersOf('start', verified(verification))).toEqual([])
  })

  test('is not asked of a canary that is still being copied, nor where the source is gone', () => {
    expect(blockersOf('ramp', verified({}, { covered: false }))).toEqual([])
    expect(blockersOf('complete', verified({}, { sourceUp: false }))).toEqual([])
  })
})
