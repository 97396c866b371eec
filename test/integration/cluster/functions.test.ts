/**
 * One server of the authority's cluster missed a change of its libraries, as where a connection went in the middle of FUNCTION LOAD. Once
 * libraries come into doubt, all its servers have the same ones, and the other side as well.
 */
import { afterEach, expect, test } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisCluster, startCluster } from '../../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, WireClient } from '../../support/wire-client.ts'

let cluster: RedisCluster
let target: RedisServer
let ferry: Ferry | null = null

afterEach(async () => {
  await ferry?.dispose()
  await Promise.all([cluster?.stop(), target?.stop()])
})

const library = (name: string, answer: number): string =>
  `#!lua name=${name}\nredis.register_function('${name}f', function() return ${answer} end)`

test('libraries in doubt are made the same on all servers of a cluster', { timeout: 60_000 }, async () => {
  ;[cluster, target] = await Promise.all([startCluster(), startRedis()])
  ferry = await Ferry.start({ source: cluster.url, target: target.url })
  await ferry.backfill()
  const client = await WireClient.open(ferry.port)
  expect(await client.call('FUNCTION', 'LOAD', library('old', 1))).toBe(bulk('old'))
  const primaries = await cluster.primaries()
  await primaries[1]?.client.call('FUNCTION', 'LOAD', 'REPLACE', library('old', 2))
  await primaries[2]?.client.call('FUNCTION', 'DELETE', 'old')
  // The target refuses what the source does: from here on they are in doubt.
  await target.client().call('FUNCTION', 'LOAD', library('new', 3))
  expect(await client.call('FUNCTION', 'LOAD', library('new', 4))).toBe(bulk('new'))
  client.close()
  const codes = async (ask: (...words: [string, ...string[]]) => Promise<unknown>): Promise<string> =>
    ((await ask('FUNCTION', 'LIST', 'WITHCODE')) as unknown[])
      .map((one) => JSON.stringify(one))
      .sort()
      .join()
  await until(
    async () => {
      const all = await Promise.all([
        ...primaries.map((node) => codes((...words) => node.client.call(...words))),
        codes((...words) => target.client().call(...words)),
      ])
      // Whichever of its versions: it is on one of them, so it is on all.
      return all.every((one) => one === all[0] && one.includes('oldf') && one.includes('return 4 end'))
    },
    { what: 'the same libraries everywhere', timeoutMs: 10_000 },
  )
})
