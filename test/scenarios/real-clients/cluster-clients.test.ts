/**
 * Programs written against cluster clients: through a Ferry in cluster mode, between two servers that are in no cluster, each sees what it
 * sees on a cluster of three primaries; and afterwards both sides hold the same.
 *
 * client   no error, and no answer, that a cluster does not give as well
 * source   the same data as the target, and nothing waits to be healed
 * target   likewise
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisCluster, startCluster } from '../../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { clusterPrograms } from './programs/cluster.ts'

let cluster: RedisCluster
let source: RedisServer
let target: RedisServer
let ferry: Ferry
const seenOnCluster = new Map<string, unknown>()

beforeAll(async () => {
  ;[cluster, source, target] = await Promise.all([startCluster(), startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url, clusterMode: true })
  await ferry.backfill()
  for (const program of clusterPrograms) seenOnCluster.set(program.name, await program.run(cluster.nodes[0]?.port as number))
}, 60_000)

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([cluster?.stop(), source?.stop(), target?.stop()])
})

const situations = [
  { name: 'while it mirrors', enter: () => ferry.untilSettled() },
  { name: 'with reads on both sides', enter: () => ferry.traffic({ readMode: 'ratio', readPercentage: 50 }) },
  {
    name: 'after the cut-over',
    enter: async () => {
      await ferry.traffic({ readMode: 'old' })
      expect(await ferry.step('cutover')).toMatchObject({ status: { phase: 'cutover', authority: 'target' } })
    },
  },
] as const

describe.each(situations)('$name', ({ enter }) => {
  beforeAll(async () => {
    await enter()
  })

  it.each(clusterPrograms)('$name sees through Ferry what it sees on a cluster', { timeout: 30_000 }, async (program) => {
    expect(await program.run(ferry.port)).toEqual(seenOnCluster.get(program.name))
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
  })
})
