/** The convergence runs find a Ferry out that lacks a safety; without that their silence would say nothing. Longer: `npm run converge -- --mutants`. */
import { describe, expect, it } from 'vitest'
import { huntMutant, mutants } from './mutants.ts'

const seed = Number(process.env.CONVERGENCE_SEED ?? Date.now() % 1_000_000)

describe('a Ferry without one of its safeties', () => {
  it.concurrent.each(mutants)(`is found out: %s (seed ${seed})`, { timeout: 120_000 }, async (mutant) => {
    // The copy that is to do the harm has to be under way before the load ends.
    const verdict = await huntMutant(mutant, { seed, seconds: mutant === 'hold' ? 4 : 1.2 })
    console.log(`seed ${seed}, without ${mutant}: ${verdict.how}`)
    expect(verdict).toMatchObject({ caught: true })
  })
})
