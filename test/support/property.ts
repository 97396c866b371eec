/** One way to run properties: a seed that can be given again (FERRY_TEST_SEED) and that a failure prints. */
import fc from 'fast-check'

const given = process.env.FERRY_TEST_SEED

/** Fails with fast-check's report: the seed, the path and the smallest counterexample. */
export function holds<Ts extends [unknown, ...unknown[]]>(property: fc.IProperty<Ts>, numRuns = 200): void {
  fc.assert(property, { numRuns, ...(given !== undefined && { seed: Number(given) }) })
}

export async function holdsAsync<Ts extends [unknown, ...unknown[]]>(
  property: fc.IAsyncProperty<Ts>,
  numRuns = 50,
): Promise<void> {
  await fc.assert(property, { numRuns, ...(given !== undefined && { seed: Number(given) }) })
}

export const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array.buffer, array.byteOffset, array.length))

/** Where to cut, as shares of the whole, so that shrinking the bytes leaves the cuts sensible. */
export const cuts = (most = 12): fc.Arbitrary<number[]> =>
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: most })

export const placesIn = (shares: readonly number[], length: number): number[] => shares.map((share) => Math.floor(share * length))
