/** The six write policies as one pure decision: what the client is told, and when, from what the two sides have answered so far. */
import { otherSide, type Side, type WritePolicy } from './modes.ts'

/** What one side made of a write. `pending`: not answered yet. `lost`: cut off, outcome unknown. `skipped`: never sent there. */
export type Outcome = 'pending' | 'ok' | 'error' | 'lost' | 'skipped'

export type Verdict =
  | { readonly kind: 'wait' }
  /** The client gets this side's own bytes. */
  | { readonly kind: 'reply'; readonly side: Side }
  /** No side has bytes that would be true: the outcome is unknown. */
  | { readonly kind: 'unknown' }
  /** `both-required`: this side is the one that failed. */
  | { readonly kind: 'not-both'; readonly failed: Side }

const wait: Verdict = { kind: 'wait' }
const reply = (side: Side): Verdict => ({ kind: 'reply', side })

export function verdict(policy: WritePolicy, authority: Side, outcomes: Readonly<Record<Side, Outcome>>): Verdict {
  const follower = otherSide(authority)
  switch (policy) {
    case 'old-authoritative':
      return named('source', outcomes)
    case 'new-authoritative':
      return named('target', outcomes)
    case 'best-effort':
      return either(authority, follower, outcomes)
    case 'last-write-wins':
      return first(authority, follower, outcomes)
    case 'both-required':
    case 'two-phase-commit':
      return both(authority, follower, outcomes)
  }
}

function named(side: Side, outcomes: Readonly<Record<Side, Outcome>>): Verdict {
  if (outcomes[side] === 'pending') return wait
  return outcomes[side] === 'lost' || outcomes[side] === 'skipped' ? { kind: 'unknown' } : reply(side)
}

/** The authority's good answer; failing that the other's; failing that the authority's bad one. */
function either(authority: Side, follower: Side, outcomes: Readonly<Record<Side, Outcome>>): Verdict {
  if (outcomes[authority] === 'pending') return wait
  if (outcomes[authority] === 'ok') return reply(authority)
  if (outcomes[follower] === 'pending') return wait
  if (outcomes[follower] === 'ok') return reply(follower)
  if (outcomes[authority] === 'error') return reply(authority)
  return outcomes[follower] === 'error' && outcomes[authority] === 'skipped' ? reply(follower) : { kind: 'unknown' }
}

function first(authority: Side, follower: Side, outcomes: Readonly<Record<Side, Outcome>>): Verdict {
  if (outcomes[authority] === 'ok') return reply(authority)
  if (outcomes[follower] === 'ok') return reply(follower)
  return either(authority, follower, outcomes)
}

function both(authority: Side, follower: Side, outcomes: Readonly<Record<Side, Outcome>>): Verdict {
  const a = outcomes[authority]
  const f = outcomes[follower]
  if (a === 'pending' || f === 'pending') return wait
  if (a === 'ok' && f === 'ok') return reply(authority)
  // The same kind of refusal on both sides is agreement: the client gets the authority's words.
  if (a === 'error' && f === 'error') return reply(authority)
  return { kind: 'not-both', failed: a === 'ok' ? follower : authority }
}
