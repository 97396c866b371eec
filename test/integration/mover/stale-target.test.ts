/** A target that is not empty: what is stale on it must not live on in keys that clients create anew while the copy runs. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  const stale = target.client().pipeline()
  for (let n = 0; n < 60; n++) stale.hset(`stale:${n}`, 'old', n)
  await stale.exec()
  await source.client().mset(Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`key:${n}`, n])))
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: { keysPerSecondMax: 2_000, batchKeys: 50 } })
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

it('gives up what the source does not have, before and while the copy goes on', async () => {
  await ferry.post('/v1/mover/start', { onConflict: 'replace' })
  await ferry.untilStatus('half to be copied', ({ mover }) => mover.pass === 'copy' && mover.keysScanned > 1_500)
  // The scan of the source is past the place of about half of these.
  const client = await WireClient.open(ferry.port)
  await client.pipeline(Array.from({ length: 40 }, (_, n) => `HSET stale:${n} new ${n}`))
  client.close()
  await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
  expect(await target.client().hgetall('stale:7')).toEqual({ new: '7' })
  expect(await target.client().exists('stale:50')).toBe(0)
})
