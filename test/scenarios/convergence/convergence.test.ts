/**
 * Random clients, a random network and a random operator.
 *
 * The clients: get the replies a single server would have given them, for keys that nobody else writes to; errors only where a side was
 * lost with their command in flight, or where the policy of the moment says so.
 * Source and target: equal in every key, value and expiry once the load is over and the journal is empty.
 *
 * CONVERGENCE_SEED repeats a run (as far as chance is in the seed), CONVERGENCE_SECONDS makes each longer; run.ts does many.
 */
import { describe, expect, it } from 'vitest'
import { type StressOptions, stress } from './stress.ts'

const seed = Number(process.env.CONVERGENCE_SEED ?? Date.now() % 1_000_000)
const seconds = Number(process.env.CONVERGENCE_SECONDS ?? 5)
const limitMs = (seconds + 100) * 1_000

const cases: [string, Partial<StressOptions>][] = [
  ['keys that live for milliseconds, and connections that are killed', { shortLived: true }],
  ['networks that cut off what is under way, and several users', { shortLived: false, users: true }],
]

describe('both sides', () => {
  it.each(cases)(`are equal in the end: %s (seed ${seed})`, { timeout: limitMs }, async (_, options) => {
    const { load, comparison, deeds } = await stress({ seed, seconds, ...options })
    console.log(`seed ${seed}: ${load.commands} commands, ${comparison.keysCompared} keys, ${JSON.stringify(deeds)}`)
    expect(comparison.samples).toEqual([])
    expect(load.wrong).toEqual([])
    expect(load.commands).toBeGreaterThan(1_000)
  })
})
