/** The names under which long values are built up are no data: nobody copies, sweeps or misses them while they have their end. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { standAlone } from '../../../src/mover/stand-alone.ts'
import { Verification } from '../../../src/mover/verify.ts'
import { connectClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

const own = temporaryKey(Buffer.from('k'), '0123456789ab', 7)
let source: RedisServer
let target: RedisServer

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
})
afterAll(() => Promise.all([source, target].map((server) => server.stop())))

async function differing(): Promise<string[]> {
  const clients = await Promise.all([source, target].map(({ url }) => connectClient(parseEndpoint(url), 'test')))
  const [one, other] = clients as [(typeof clients)[0], (typeof clients)[0]]
  const report = await new Verification({
    source: one,
    target: other,
    options: { ttlToleranceMs: 1_000, rounds: 1, settleMs: 0 },
  }).run()
  for (const client of clients) client.disconnect()
  return report.samples.map(({ key, kind }) => `${kind} ${key}`)
}

it('a copy leaves them where they are', async () => {
  await source
    .client()
    .multi()
    .set('k', 'v')
    .set(temporaryKey(Buffer.from('k'), '0123456789ab', 8), 'v', 'PX', 60_000)
    .exec()
  await target.client().multi().set(own, 'v', 'PX', 60_000).set('stale', 'v').exec()
  const alone = await standAlone({ source: parseEndpoint(source.url), target: parseEndpoint(target.url) }, null)
  expect(await alone.job.start({ from: 0, below: 16_384 }, true)).toBe(true)
  await alone.settled(AbortSignal.timeout(5_000))
  await alone.stop()
  expect((await target.client().keys('*')).sort()).toEqual([own.toString(), 'k'])
  expect(await differing()).toEqual([])
})

it('one that does not end is not Ferry’s', async () => {
  await target.client().persist(own)
  expect(await differing()).toEqual([`extra ${own}`])
})
