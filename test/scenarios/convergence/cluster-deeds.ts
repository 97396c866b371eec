/** What happens inside a cluster while Ferry talks to it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../../src/demo/random.ts'
import { slotOf } from '../../../src/routing/slot.ts'
import type { ClusterNode, RedisCluster } from '../../support/redis-cluster.ts'

/** A slot with its keys goes to another primary: as a whole, or slowly, so that for a while some of its keys are here and some there. */
export async function moveSlot(cluster: RedisCluster, random: Random): Promise<void> {
  const from = random.pick(await cluster.primaries())
  const to = random.pick((await cluster.primaries()).filter((node) => node !== from))
  const slot = await hotSlot(from, random)
  if (slot === null) throw new Error(`${from.port} has no keys`)
  if (cluster.severalDatabases) await cluster.moveSlotWhole(slot, to)
  else await moveKeyByKey(cluster, slot, to, random)
}

async function moveKeyByKey(cluster: RedisCluster, slot: number, to: ClusterNode, random: Random): Promise<void> {
  await cluster.beginMigration(slot, to)
  try {
    const patient = random.chance(0.5)
    for (let round = 0; round < roundsMax; round++) {
      if (patient) await sleep(random.between(1, 40))
      if ((await cluster.moveKeys(slot, 1)) === 0) break
    }
    await cluster.moveKeys(slot)
  } finally {
    // Not before all of its keys are there, or they would be lost.
    for (let tries = 0; (await cluster.moveKeys(slot).catch(() => 1)) > 0 && tries < triesMax; tries++) await sleep(20)
    await cluster.finishMigration(slot)
  }
}

/** New keys come while the others go. */
const roundsMax = 40
const triesMax = 100

/** Graceful: no write is lost. */
export async function failover(cluster: RedisCluster, random: Random): Promise<void> {
  await cluster.failover(random.pick(await cluster.primaries()))
}

/** The slot of some key that is there now. */
async function hotSlot(node: ClusterNode, random: Random): Promise<number | null> {
  const [, keys] = (await node.client.callBuffer('SCAN', 0, 'COUNT', 1_000)) as [Buffer, Buffer[]]
  if (keys.length === 0) return null
  const key = random.pick(keys)
  return slotOf(key, 0, key.length)
}
