/** A copy of a cluster that is killed and begun again: it goes on from its checkpoint, unless slots changed hands meanwhile. Long values arrive. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import { clusterStateOf } from '../../support/cluster-state.ts'
import { CopyProcess } from '../../support/copy-process.ts'
import { fullStateOf } from '../../support/full-state.ts'
import { type ClusterNode, type RedisCluster, slotOfKey, startCluster } from '../../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

const keys = 20_000
const isOwn = (key: string): boolean => key.includes('ferry:copy:{')
const without = (all: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(all).filter(([key]) => !isOwn(key)))

async function stage(): Promise<{ cluster: RedisCluster; server: RedisServer; dir: string }> {
  const [cluster, server, dir] = await Promise.all([startCluster(), startRedis(), mkdtemp(join(tmpdir(), 'ferry-resume-'))])
  onTestFinished(async () => {
    await Promise.all([cluster.stop(), server.stop()])
    await rm(dir, { recursive: true, force: true })
  })
  const client = new Redis.Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  for (let at = 0; at < keys; at += 2_000)
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => client.set(`key:${at + i}`, at + i)))
  client.disconnect()
  return { cluster, server, dir }
}

it('goes on with the same slot map, and begins anew with another one', { timeout: 90_000 }, async () => {
  const { cluster, server, dir } = await stage()
  const copy = (): CopyProcess =>
    new CopyProcess(
      ['--source', cluster.url, '--target', server.url, '--state', join(dir, 'copy.sqlite')].concat([
        '--keys-per-second',
        '5000',
      ]),
    )
  const killAt = async (part: number): Promise<string> => {
    const run = copy()
    await until(async () => (await server.client().dbsize()) > keys * part, { timeoutMs: 30_000, what: 'a part to be there' })
    run.signal('SIGKILL')
    await run.end()
    return run.said
  }
  expect(await killAt(0.2)).not.toContain('checkpoint')
  expect(await killAt(0.4)).toContain('the mover goes on from its checkpoint')
  const slot = slotOfKey('key:1')
  const owner = await cluster.primaryOf(slot)
  await cluster.moveSlot(slot, (await cluster.primaries()).find((node) => node !== owner) as ClusterNode)
  const last = copy()
  expect(await last.end()).toMatchObject({ status: 0, last: { kind: 'report', keysFailed: 0 } })
  expect(last.said).toContain('the mover begins anew')
  expect(without((await fullStateOf(server.port)).keys)).toEqual(without((await clusterStateOf(cluster)).keys))
})

it('takes long values to a cluster', { timeout: 60_000 }, async () => {
  const [cluster, server] = await Promise.all([startCluster(), startRedis()])
  onTestFinished(async () => {
    await Promise.all([cluster.stop(), server.stop()])
  })
  const client = server.client()
  await client.set('string', randomBytes(12 << 20))
  for (const n of [0, 1, 2, 3])
    await client
      .pipeline()
      .hset('hash', Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`f${n}:${i}`, `value${i}`])))
      .rpush('list', ...Array.from({ length: 20_000 }, (_, i) => `element${n}:${i}`))
      .exec()
  const run = new CopyProcess(['--source', server.url, '--target', cluster.url])
  expect(await run.end()).toMatchObject({ status: 0, last: { kind: 'report', keysFailed: 0 } })
  expect((await clusterStateOf(cluster)).keys).toEqual((await fullStateOf(server.port)).keys)
})
