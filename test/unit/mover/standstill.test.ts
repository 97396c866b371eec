/** How long nothing has gone on: through relapses, keys that go another way, and questions. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { FerryError } from '../../../src/errors.ts'
import { type Refusal, Standstill } from '../../../src/mover/standstill.ts'
import { StandstillLimit } from '../../../src/mover/standstill-limit.ts'
import { EventLog } from '../../../src/observe/events.ts'
import type { Side } from '../../../src/routing/modes.ts'

const error = "OOM command not allowed when used memory > 'maxmemory'."
const refusal: Refusal = { failure: 'target-out-of-memory', side: 'target', error, db: 0, key: Buffer.from('k') }

let standstill: Standstill
beforeEach(() => {
  standstill = new Standstill(new EventLog())
})

it('lasts from its beginning, through trials', () => {
  expect(standstill.lasting).toBeNull()
  standstill.begin(refusal, 10_000)
  standstill.goOn(refusal, 11_000)
  expect(standstill.lasting).toEqual({ side: 'target', error, sinceMs: 10_000 })
  standstill.end(12_000)
  expect(standstill.lasting).toBeNull()
})

it('that comes back at once has not been broken by a key that was deleted or given up, but by one that was copied', () => {
  standstill.begin(refusal, 10_000)
  standstill.end(12_000)
  standstill.begin(refusal, 12_010)
  expect(standstill.lasting?.sinceMs).toBe(10_000)
  standstill.end(13_000)
  standstill.took()
  standstill.begin(refusal, 13_010)
  expect(standstill.lasting?.sinceMs).toBe(13_010)
  standstill.end(14_000)
  standstill.begin(refusal, 20_000)
  expect(standstill.lasting?.sinceMs).toBe(20_000)
})

it('a question lasts until it is answered, and says who did not', () => {
  standstill.unanswered('source: NOPERM this user has no permissions to run the scan command', 1_000)
  standstill.unanswered('source: LOADING', 2_000)
  expect(standstill.lasting).toEqual({ side: 'source', error: 'LOADING', sinceMs: 1_000 })
  standstill.unanswered('the map of slots is not known', 3_000)
  expect(standstill.lasting).toMatchObject({ side: null, error: 'the map of slots is not known', sinceMs: 1_000 })
  standstill.answered()
  expect(standstill.lasting).toBeNull()
})

describe('the limit', () => {
  const lane = (side: Side) => ({
    up: true,
    admitted: true,
    lastError: null as string | null,
    endpoint: { redacted: `redis://${side}` },
  })
  let sides: Record<Side, ReturnType<typeof lane>>
  let said: FerryError[]

  function limited(limitMs: number): StandstillLimit {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    sides = { source: lane('source'), target: lane('target') }
    said = []
    const lanes = { lane: (side: Side) => sides[side] } as unknown as Lanes
    const limit = new StandstillLimit(lanes, standstill, limitMs, (why) => said.push(why))
    limit.start()
    return limit
  }

  it('is reached once, and says which server said what, and what to do', () => {
    const limit = limited(5_000)
    standstill.begin(refusal, performance.now())
    vi.advanceTimersByTime(4_900)
    expect(said).toEqual([])
    expect(limit.view(performance.now())).toMatchObject({ seconds: 4 })
    vi.advanceTimersByTime(60_000)
    expect(said).toEqual([expect.any(FerryError)])
    expect(said[0]).toMatchObject({
      code: 'interrupted',
      message: `the copy was at a standstill for 5 s: target redis://target: the server is at its memory limit and may evict nothing (${error})`,
      details: ['Free memory, raise maxmemory, or choose an eviction policy.'],
    })
    vi.useRealTimers()
  })

  it('is for a server that is away, too, and begins anew when it is back', () => {
    const limit = limited(5_000)
    sides.source.up = false
    sides.source.lastError = 'connect ECONNREFUSED'
    vi.advanceTimersByTime(4_000)
    sides.source.up = true
    vi.advanceTimersByTime(100)
    expect(limit.view(performance.now())).toBeNull()
    sides.source.up = false
    vi.advanceTimersByTime(4_900)
    expect(said).toEqual([])
    vi.advanceTimersByTime(400)
    expect(said[0]?.message).toBe(
      'the copy was at a standstill for 5 s: source redis://source: it cannot be reached (connect ECONNREFUSED)',
    )
    vi.useRealTimers()
  })

  it.each([
    [0, 'means none'],
    [3_000, 'counts no more once it is stopped'],
  ])('of %i ms %s', (limitMs) => {
    const limit = limited(limitMs)
    standstill.begin(refusal, performance.now())
    if (limitMs > 0) limit.stop()
    vi.advanceTimersByTime(3_600_000)
    expect(said).toEqual([])
    expect(limit.view(performance.now())?.seconds).toBe(3_600)
    limit.stop()
    vi.useRealTimers()
  })
})
