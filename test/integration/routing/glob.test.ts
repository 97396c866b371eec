/** The servers' own matching is the oracle: KEYS with the same pattern has to find the same keys. */
import fc from 'fast-check'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compileGlob } from '../../../src/routing/glob.ts'
import { holdsAsync } from '../../support/property.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

/** No bytes above 127: whether a range takes them for negative depends on the server's architecture. */
const alphabet = ['a', 'b', 'c', '-', '^', ']', '[', '*', '?', '\\', '\n']
const text = (maxLength: number) => fc.array(fc.constantFrom(...alphabet), { maxLength }).map((chars) => chars.join(''))

let server: RedisServer
let client: Redis

beforeAll(async () => {
  server = await startRedis()
  client = server.client()
})

afterAll(async () => {
  await server?.stop()
})

it('matches what a server matches', async () => {
  const names = fc.sample(text(4), { numRuns: 400, seed: 7 })
  const keys = [...new Set(['a', 'ab', 'abc', ...names])].filter((key) => key !== '')
  // The empty key is left out: a server finds it by `*`, but not by `**`.
  await client.mset(keys.flatMap((key) => [key, '']))
  await holdsAsync(
    fc.asyncProperty(text(6), async (pattern) => {
      const found = await client.keys(pattern)
      const fits = compileGlob(pattern)
      const ours = keys.filter((key) => fits.test(Buffer.from(key).toString('latin1')))
      expect(ours.sort()).toEqual(found.sort())
    }),
    1_000,
  )
})
