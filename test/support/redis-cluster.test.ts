import { existsSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { slotOf } from '../../src/routing/slot.ts'
import { type RedisCluster, startCluster } from './redis-cluster.ts'
import { engineMissing } from './redis-server.ts'

const started: RedisCluster[] = []
const start = async (...options: Parameters<typeof startCluster>): Promise<RedisCluster> => {
  const cluster = await startCluster(...options)
  started.push(cluster)
  return cluster
}
afterEach(async () => {
  for (const cluster of started.splice(0)) await cluster.stop()
})

const slot = slotOf(Buffer.from('{a}'), 0, 3)
const keys = ['{a}1', '{a}2', '{a}3']

describe.each(['redis-7.0', 'redis-8.0', 'valkey-8.1', 'valkey-9.1'])('engine %s', (engine) => {
  const skipped = engineMissing(engine)

  test.skipIf(skipped)('three primaries share the slots, and a slot moves with its keys', async () => {
    const cluster = await start({ engine })
    expect(cluster.url).toBe(`redis-cluster://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join()}`)
    expect(await cluster.primaries()).toHaveLength(3)
    const from = await cluster.primaryOf('{a}1')
    expect(from).toBe(cluster.nodes[2])
    for (const key of keys) await from.client.set(key, key)

    const to = await cluster.primaryOf(0)
    await expect(to.client.get('{a}1')).rejects.toThrow(`MOVED ${slot} 127.0.0.1:${from.port}`)
    await cluster.beginMigration(slot, to)
    expect(await cluster.moveKeys(slot, 1)).toBe(1)
    await expect(from.client.get('{a}4')).rejects.toThrow(`ASK ${slot} 127.0.0.1:${to.port}`)
    await expect(from.client.mget(...keys)).rejects.toThrow('TRYAGAIN')
    expect(await cluster.moveKeys(slot)).toBe(2)
    await cluster.finishMigration(slot)
    expect(await cluster.primaryOf(slot)).toBe(to)
    expect(await to.client.mget(...keys)).toEqual(keys)
    await cluster.moveSlot(slot, from)
    expect(await from.client.mget(...keys)).toEqual(keys)
  })

  test.skipIf(skipped)('a replica takes over, asked to or not, and a new primary joins', { timeout: 60_000 }, async () => {
    const cluster = await start({ engine, replicas: 1, password: 'secret', nodeTimeoutMs: 1_000 })
    const first = await cluster.primaryOf('{a}1')
    await first.client.set('{a}1', 'kept')
    const second = await cluster.failover(first)
    expect(await cluster.primaryOf(slot)).toBe(second)
    expect(await second.client.get('{a}1')).toBe('kept')
    expect(await cluster.replicasOf(second)).toEqual([first])

    expect(await cluster.freeze(second)).toBe(first)
    await cluster.thaw(second)
    expect(await cluster.replicasOf(first)).toEqual([second])
    expect(await cluster.kill(first)).toBe(second)
    expect(await cluster.primaryOf(slot)).toBe(second)
    expect(cluster.url).not.toContain(`:${first.port}`)

    const added = await cluster.addPrimary()
    expect(await cluster.primaries()).toContain(added)
    await cluster.moveSlot(slot, added)
    expect(await added.client.get('{a}1')).toBe('kept')
  })
})

test('slots may lie as one likes, and need not all be served', async () => {
  const cluster = await start({
    primaries: 2,
    slots: [
      [
        [0, 99],
        [200, 299],
      ],
      [[100, 199]],
    ],
    fullCoverage: false,
  })
  expect(await cluster.primaryOf(250)).toBe(cluster.nodes[0])
  expect(await cluster.primaryOf(150)).toBe(cluster.nodes[1])
  await expect(cluster.primaryOf(300)).rejects.toThrow('no node owns slot 300')
})

test('leaves nothing behind, not even when a node does not start', async () => {
  const cluster = await start({ primaries: 1 })
  await cluster.stop()
  for (const { server } of cluster.nodes) {
    expect(existsSync(server.dir)).toBe(false)
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  }
  await expect(startCluster({ args: ['--no-such-flag', '1'] })).rejects.toThrow('no-such-flag')
})
