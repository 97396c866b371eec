/** The names under which long values are built up are no data: nobody copies, sweeps or misses them while they have their end. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { standAlone } from '../../../src/mover/stand-alone.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { verified } from '../../support/verified.ts'

const own = temporaryKey(Buffer.from('k'), '0123456789ab', 7)
let source: RedisServer
let target: RedisServer

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
})
afterAll(() => Promise.all([source, target].map((server) => server.stop())))

const differing = async (): Promise<string[]> => (await verified(source, target)).map(({ key, kind }) => `${kind} ${key}`)

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
