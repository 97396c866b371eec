/** The mover and the verification without a proxy, from a cluster and to one. The target: holds what the source holds, also what was written meanwhile. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runVerify } from '../../../src/mover/verify-command.ts'
import { clusterStateOf } from '../../support/cluster-state.ts'
import { CopyProcess } from '../../support/copy-process.ts'
import { fullStateOf } from '../../support/full-state.ts'
import { type RedisCluster, startCluster } from '../../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let source: RedisCluster
let single: RedisServer
let other: RedisCluster
let direct: InstanceType<typeof Redis.Cluster>

beforeAll(async () => {
  ;[source, single, other] = await Promise.all([startCluster({ replicas: 1 }), startRedis(), startCluster({ primaries: 2 })])
  direct = new Redis.Cluster(source.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  await Promise.all(Array.from({ length: 600 }, (_, i) => direct.set(`s:${i}`, i)))
  await Promise.all(Array.from({ length: 200 }, (_, i) => direct.hset(`h:${i}`, { field: i })))
}, 60_000)

afterAll(async () => {
  direct?.disconnect()
  await Promise.all([source?.stop(), single?.stop(), other?.stop()])
})

const verified = async (from: string, to: string): Promise<number> => {
  const report = await runVerify({
    source: from,
    target: to,
    repair: false,
    state: null,
    databases: 'same',
    onProgress: undefined,
  })
  expect(report.keysCompared).toBeGreaterThan(700)
  return report.differences + report.missing + report.extra + report.ttlDifferences
}

test('follows what is written past it, on whichever server', { timeout: 60_000 }, async () => {
  const copy = new CopyProcess(['--source', source.url, '--target', single.url, '--live'])
  await copy.caughtUp()
  await Promise.all(Array.from({ length: 300 }, (_, i) => direct.set(`new:${i}`, i)))
  await Promise.all(Array.from({ length: 100 }, (_, i) => direct.del(`s:${i}`)))
  await copy.caughtUp()
  copy.signal('SIGINT')
  expect(await copy.end()).toMatchObject({ status: 0, last: { kind: 'report', keysFailed: 0 } })
  expect(await fullStateOf(single.port)).toEqual(await clusterStateOf(source))
  expect(await verified(source.url, single.url)).toBe(0)
})

test('fills a cluster, and refuses one that has keys', { timeout: 60_000 }, async () => {
  const copy = new CopyProcess(['--source', single.url, '--target', other.url])
  expect(await copy.end()).toMatchObject({ status: 0, last: { keysCopied: 1_000, keysFailed: 0 } })
  expect(await clusterStateOf(other)).toEqual(await clusterStateOf(source))
  expect(await verified(source.url, other.url)).toBe(0)
  const again = new CopyProcess(['--source', single.url, '--target', other.url])
  expect((await again.end()).status).toBe(6)
  await direct.set('s:200', 'another')
  expect(await verified(source.url, other.url)).toBe(1)
})

test('reads from replicas where it is told to', { timeout: 60_000 }, async () => {
  await other.primaries().then((nodes) => Promise.all(nodes.map(({ client }) => client.flushall())))
  const before = await dumps()
  const copy = new CopyProcess(['--source', `${source.url}?readFrom=replica`, '--target', other.url])
  expect(await copy.end()).toMatchObject({ status: 0, last: { keysCopied: 1_000, keysFailed: 0 } })
  expect(await clusterStateOf(other)).toEqual(await clusterStateOf(source))
  expect(await dumps()).toEqual(before)
})

/** How often primaries of the source were asked for a value. */
async function dumps(): Promise<string[]> {
  const primaries = await source.primaries()
  return Promise.all(
    primaries.map(async ({ client }) => String(/cmdstat_dump:calls=\d+/.exec(await client.info('commandstats')))),
  )
}
