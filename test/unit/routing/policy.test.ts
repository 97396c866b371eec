import { describe, expect, it } from 'vitest'
import { otherSide, type Side, sides, writePolicies } from '../../../src/routing/modes.ts'
import { type Outcome, type Verdict, verdict } from '../../../src/routing/policy.ts'

const outcomes = ['pending', 'ok', 'error', 'lost', 'skipped'] as const satisfies Outcome[]

/** Every case there is: 6 policies, 2 authorities, 5 outcomes on each side. */
const table = writePolicies.flatMap((policy) =>
  sides.flatMap((authority) =>
    outcomes.flatMap((source) =>
      outcomes.map((target) => ({
        policy,
        authority,
        both: { source, target },
        verdict: verdict(policy, authority, { source, target }),
      })),
    ),
  ),
)

const told = ({ kind, ...rest }: Verdict): string =>
  kind === 'reply' ? (rest as { side: Side }).side : kind === 'not-both' ? `${(rest as { failed: Side }).failed} failed` : kind

describe('under every policy', () => {
  it('no side that has not answered is quoted', () => {
    for (const { verdict: given, both, ...rest } of table) {
      if (given.kind === 'reply') expect(['ok', 'error'], JSON.stringify({ both, ...rest })).toContain(both[given.side])
    }
  })

  it('there is a verdict once both sides are decided', () => {
    for (const { verdict: given, both, ...rest } of table) {
      const decided = both.source !== 'pending' && both.target !== 'pending'
      if (decided) expect(given.kind, JSON.stringify({ both, ...rest })).not.toBe('wait')
    }
  })

  it('what was decided with one side pending stays, whatever that side then says', () => {
    for (const { policy, authority, both, verdict: given } of table) {
      if (given.kind === 'wait') continue
      for (const side of sides) {
        if (both[side] !== 'pending') continue
        for (const later of outcomes) {
          const final = verdict(policy, authority, { ...both, [side]: later })
          // The first good answer of last-write-wins counts; that the other one is good, too, changes nothing for the client.
          if (policy === 'last-write-wins' && later === 'ok') continue
          expect(told(final), JSON.stringify({ policy, authority, both, side, later })).toBe(told(given))
        }
      }
    }
  })

  it('one failure never passes for the success of a side that failed', () => {
    for (const { verdict: given, both } of table) {
      if (given.kind === 'not-both') expect(both[given.failed]).not.toBe('ok')
    }
  })
})

const rows = (policy: string) => table.filter((row) => row.policy === policy)

it.each([
  ['old-authoritative', 'source'],
  ['new-authoritative', 'target'],
] as const)('%s: the reply is that of the %s, and waits for nobody else', (policy, side) => {
  for (const { both, verdict: given } of rows(policy)) {
    const own = both[side]
    const expected = own === 'pending' ? 'wait' : own === 'ok' || own === 'error' ? side : 'unknown'
    expect(told(given), JSON.stringify(both)).toBe(expected)
  }
})

describe('best-effort', () => {
  it('succeeds once both are decided if either did, with the authority’s bytes where it has good ones', () => {
    for (const { both, authority, verdict: given } of rows('best-effort')) {
      const follower = otherSide(authority)
      if (both[authority] === 'ok') expect(told(given)).toBe(authority)
      else if (both[authority] !== 'pending' && both[follower] === 'ok') expect(told(given)).toBe(follower)
    }
  })

  it('waits for the authority, and for the other only if the authority failed', () => {
    for (const { both, authority, verdict: given } of rows('best-effort')) {
      const follower = otherSide(authority)
      const waits = both[authority] === 'pending' || (both[authority] !== 'ok' && both[follower] === 'pending')
      expect(given.kind === 'wait', JSON.stringify({ both, authority })).toBe(waits)
    }
  })

  it('if neither did, tells the authority’s error, and never calls a lost write refused', () => {
    for (const { both, authority, verdict: given } of rows('best-effort')) {
      const follower = otherSide(authority)
      if (both[authority] === 'error' && both[follower] !== 'ok' && both[follower] !== 'pending')
        expect(told(given)).toBe(authority)
      if (both[authority] === 'lost' && both[follower] !== 'ok' && both[follower] !== 'pending')
        expect(told(given)).toBe('unknown')
      if (both[authority] === 'skipped' && both[follower] === 'error') expect(told(given)).toBe(follower)
      if (both[authority] === 'skipped' && both[follower] === 'lost') expect(told(given)).toBe('unknown')
    }
  })
})

describe('last-write-wins', () => {
  it('takes the first good answer at once', () => {
    for (const { both, authority, verdict: given } of rows('last-write-wins')) {
      const follower = otherSide(authority)
      if (both[authority] === 'ok') expect(told(given)).toBe(authority)
      else if (both[follower] === 'ok') expect(told(given)).toBe(follower)
      else expect([both.source, both.target].includes('pending') ? 'wait' : given.kind).toBe(given.kind)
    }
  })
})

describe.each(['both-required', 'two-phase-commit'] as const)('%s', (policy) => {
  it('waits for both, always', () => {
    for (const { both, verdict: given } of rows(policy)) {
      expect(given.kind === 'wait').toBe(both.source === 'pending' || both.target === 'pending')
    }
  })

  it('passes a good reply on only if both sides are good', () => {
    for (const { both, verdict: given } of rows(policy)) {
      if (given.kind === 'reply' && both[given.side] === 'ok') expect(both).toEqual({ source: 'ok', target: 'ok' })
    }
  })

  it('takes a refusal by both for agreement, in the authority’s words', () => {
    for (const { both, authority, verdict: given } of rows(policy)) {
      if (both.source === 'error' && both.target === 'error') expect(told(given)).toBe(authority)
    }
  })

  it('names the side that failed; if neither is good, the authority', () => {
    for (const { both, authority, verdict: given } of rows(policy)) {
      if (both.source === 'pending' || both.target === 'pending' || both.source === both.target) continue
      const follower = otherSide(authority)
      expect(told(given)).toBe(`${both[authority] === 'ok' ? follower : authority} failed`)
    }
  })
})
