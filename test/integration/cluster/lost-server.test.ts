/**
 * One server of a cluster goes away under load. The client: gets an error for what that server owed and nobody knows the fate of, all other
 * replies as ever, and after the replica has taken over no error at all. The cluster: has every write that was answered, once.
 */
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SidesBehind, sidesBehind } from '../../../src/cluster/sides.ts'
import { connectClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Turn } from '../../../src/upstream/turn.ts'
import { type ClusterNode, type RedisCluster, startCluster } from '../../support/redis-cluster.ts'
import { until } from '../../support/wait.ts'

let cluster: RedisCluster
let behind: SidesBehind
let client: Redis
const losses: string[] = []

beforeAll(async () => {
  cluster = await startCluster({ primaries: 3, replicas: 1, nodeTimeoutMs: 1_000, fullCoverage: false })
  behind = sidesBehind({ source: parseEndpoint(cluster.url), target: parseEndpoint('redis://127.0.0.1:1') }, new Turn())
  const { topology } = behind.source
  if (topology !== null) topology.lostData = (reason) => losses.push(reason)
  client = await connectClient(behind.source.endpoint, 'test')
}, 60_000)

afterAll(async () => {
  client?.disconnect()
  behind?.stop()
  await cluster?.stop()
})

/** A key of that server. */
async function keyOn(node: ClusterNode): Promise<string> {
  for (let i = 0; ; i++) if ((await cluster.primaryOf(`k${i}`)) === node) return `k${i}`
}

const outcome = (sent: Promise<unknown>): Promise<string> =>
  sent.then(
    (reply) => String(reply),
    (error: Error) => error.message,
  )

describe('a server of a cluster', () => {
  test('that is frozen delays its own keys only, and what waits for it is answered when it is back', {
    timeout: 30_000,
  }, async () => {
    const [frozen, other] = (await cluster.primaries()) as [ClusterNode, ClusterNode]
    const [slow, quick] = [await keyOn(frozen), await keyOn(other)]
    await client.set(slow, '0')
    frozen.server.freeze()
    const waiting = outcome(client.incr(slow))
    // Replies come in the order of the commands: another connection is not behind the frozen one.
    const beside = await connectClient(behind.source.endpoint, 'beside')
    expect(await beside.set(quick, 'x')).toBe('OK')
    frozen.server.thaw()
    expect(await waiting).toBe('1')
    beside.disconnect()
    await cluster.untilAgreed()
  })

  test('that is killed takes only its own replies along, and its replica goes on', { timeout: 60_000 }, async () => {
    // The first node is the one that is asked about the others.
    const [victim, other] = (await cluster.primaries()).filter((node) => node !== cluster.nodes[0]) as [ClusterNode, ClusterNode]
    const [lost, kept] = [await keyOn(victim), await keyOn(other)]
    await client.set(lost, '0')
    await client.set(kept, '0')
    victim.server.freeze()
    const outcomes = [client.incr(kept), client.incr(lost), client.incr(lost), client.incr(kept)].map(outcome)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const killed = cluster.kill(victim)
    const [first, second, third, last] = await Promise.all(outcomes)
    expect([first, last]).toEqual(['1', '2'])
    for (const fate of [second, third]) expect(fate).toMatch(/FERRYLOST/)
    // Meanwhile what is sent there is answered that it was not run.
    expect(await outcome(client.incr(lost))).toMatch(/^(CLUSTERDOWN|\d+$)/)
    // Once it is known to be away, nobody waits for it any more.
    const beforeMs = performance.now()
    expect(await outcome(client.incr(lost))).toMatch(/^(CLUSTERDOWN|\d+$)/)
    expect(performance.now() - beforeMs).toBeLessThan(1_000)
    await killed
    await until(async () => /^\d+$/.test(await outcome(client.incr(lost))), { what: 'the replica to answer', timeoutMs: 15_000 })
    expect(losses).toEqual(['a replica took the place of its primary'])
    const heir = await cluster.primaryOf(lost)
    expect(heir).not.toBe(victim)
    expect(await heir.client.get(lost)).toBe(await client.get(lost))
  })
})
