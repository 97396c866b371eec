/**
 * A whole migration with a cluster on one side or both, under load. The clients: see no error that a server without a cluster would not
 * give. Source and target: hold the same in the end, after a cut-over and after the way back.
 */
import { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import { fillDataset } from '../../../src/demo/dataset.ts'
import { Random } from '../../../src/demo/random.ts'
import { clusterStateOf } from '../../support/cluster-state.ts'
import { Ferry } from '../../support/ferry.ts'
import { type FullState, fullStateOf } from '../../support/full-state.ts'
import { type RedisCluster, slotOfKey, startCluster } from '../../support/redis-cluster.ts'
import { startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'

interface Side {
  readonly url: string
  state(): Promise<FullState>
  stop(): Promise<void>
}

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function clusterSide(primaries: number): Promise<Side & { cluster: RedisCluster }> {
  const cluster = await startCluster({ primaries })
  cleanups.push(() => cluster.stop())
  return { cluster, url: cluster.url, state: () => clusterStateOf(cluster), stop: () => cluster.stop() }
}

async function singleSide(): Promise<Side & { port: number }> {
  const server = await startRedis()
  cleanups.push(() => server.stop())
  return { port: server.port, url: server.url, state: () => fullStateOf(server.port), stop: () => server.stop() }
}

/** Writes of several kinds on some keys, many of them several at once and in several slots. */
async function load(port: number, seed: number, over: () => boolean): Promise<string[]> {
  const random = new Random(seed)
  const client = new Redis({ port, maxRetriesPerRequest: 0 })
  const errors: string[] = []
  const key = (kind: string): string => `${kind}:${random.below(200)}`
  const writes: (() => Promise<unknown>)[] = [
    () => client.set(key('s'), String(random.below(1_000))),
    () => client.incr(key('n')),
    () => client.mset(key('s'), '1', key('s'), '2', key('s'), '3'),
    () => client.del(key('s'), key('h'), key('s')),
    () => client.hset(key('h'), `f${random.below(20)}`, '1'),
    () => client.rpush(key('l'), 'x'),
    () => client.spop(key('m')),
    () => client.sadd(key('m'), String(random.below(50))),
    () => client.expire(key('s'), random.between(100, 200)),
    () => client.xadd(key('x'), '*', 'f', 'v'),
    () => client.multi().incr('{block}1').rpush('{block}2', 'x').exec(),
    () => client.mget(key('s'), key('s'), key('s')),
    () => client.eval("return redis.call('INCRBY', KEYS[1], 3)", 1, key('n')),
  ]
  while (!over()) {
    const some = Array.from({ length: 20 }, () => random.pick(writes)())
    for (const outcome of await Promise.allSettled(some)) if (outcome.status === 'rejected') errors.push(String(outcome.reason))
  }
  client.disconnect()
  return errors
}

/** In a form that can be read. What ran out while it was looked at may be gone on one side. */
function differences(here: FullState, there: FullState): string[] {
  const nowMs = Date.now()
  const names = [...new Set([...Object.keys(here.keys), ...Object.keys(there.keys)])]
  return names.flatMap((name) => {
    const [left, right] = [here.keys[name], there.keys[name]].map((value) => value as { expiresAtMs: number } | undefined)
    const ended = [left, right].some((value) => value !== undefined && value.expiresAtMs > 0 && value.expiresAtMs <= nowMs)
    const [text, other] = [JSON.stringify(left), JSON.stringify(right)]
    return ended || text === other ? [] : [`${name}: ${text?.slice(0, 200)} on the source, ${other?.slice(0, 200)} on the target`]
  })
}

const settled = (ferry: Ferry): Promise<unknown> => ferry.untilSettled(20_000)

describe.each([
  ['a single server to a cluster', () => singleSide(), () => clusterSide(3)],
  ['a cluster to a single server', () => clusterSide(3), () => singleSide()],
  ['a cluster to one with other slots', () => clusterSide(3), () => clusterSide(2)],
] as const)('from %s', (_, openSource, openTarget) => {
  test('and back, losing nothing', { timeout: 90_000 }, async () => {
    const seed = Date.now() % 1_000_000
    const [source, target] = await Promise.all([openSource(), openTarget()])
    const ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled })
    cleanups.push(() => ferry.dispose())
    await fillDataset(ferry.port, 500, () => {})
    let over = false
    const loads = [1, 2, 3].map((i) => load(ferry.port, seed + i, () => over))
    await ferry.backfill()
    await ferry.step('ramp', { percent: 40 })
    await ferry.step('cutover')
    await new Promise((resolve) => setTimeout(resolve, 500))
    await ferry.step('rollback', { to: 'mirror' })
    await new Promise((resolve) => setTimeout(resolve, 300))
    over = true
    expect((await Promise.all(loads)).flat(), `seed ${seed}`).toEqual([])
    await settled(ferry)
    const [here, there] = await Promise.all([source.state(), target.state()])
    expect(Object.keys(here.keys).length).toBeGreaterThan(500)
    expect(differences(here, there), `seed ${seed}`).toEqual([])
  })
})

test('slots that move while they are scanned are copied all the same', { timeout: 90_000 }, async () => {
  const source = await clusterSide(3)
  const target = await singleSide()
  const tag = '{moving}'
  const slot = slotOfKey(tag)
  const direct = new Redis.Cluster(source.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  for (let i = 0; i < 3_000; i += 3) {
    await Promise.all([direct.set(`${tag}:${i}`, 'x'), direct.set(`a:${i}`, 'x'), direct.set(`b:${i}`, 'x')])
  }
  direct.disconnect()
  const ferry = await Ferry.start({ source: source.url, target: target.url, mover: { keysPerSecondMax: 2_000, batchKeys: 32 } })
  cleanups.push(() => ferry.dispose())
  const copied = ferry.backfill(60_000)
  // To and fro, so that it is on the wrong side of the scan at some time.
  for (let i = 0; i < 4; i++) {
    const from = await source.cluster.primaryOf(slot)
    const [to] = (await source.cluster.primaries()).filter((node) => node !== from)
    if (to !== undefined) await source.cluster.moveSlot(slot, to)
  }
  await copied
  expect(Object.keys((await target.state()).keys).length).toBe(3_000)
})
