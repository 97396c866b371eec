/**
 * Long strings to servers that a lane does not lead to directly: they arrive whole, in one command, while they are written to. The client gets
 * every reply; no server had to append to them.
 */
import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { afterEach, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisCluster, slotOfKey, startCluster } from '../../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { WireClient } from '../../support/wire-client.ts'

const longBytes = 12 << 20
const limits = { longValueBytes: 1 << 20 }
const started: { stop(): Promise<unknown> }[] = []
let source: RedisServer
let ferry: Ferry | null = null

afterEach(async () => {
  await ferry?.dispose()
  ferry = null
  await Promise.all(started.splice(0).map((server) => server.stop()))
})

async function filled(db: number): Promise<Buffer> {
  source = await startRedis()
  started.push(source)
  const value = randomBytes(longBytes)
  const client = source.client()
  await client.select(db)
  await client.set('long', value, 'PX', 3_600_000)
  return value
}

/** Writes here and there into the string while it is copied, and past its end; gives what it has to be then. */
async function copyWhileWritten(value: Buffer, db: number, meanwhile?: () => Promise<void>): Promise<Buffer> {
  if (ferry === null) throw new Error('not started')
  const client = await WireClient.open(ferry.port)
  await client.pipeline([`SELECT ${db}`], 5_000)
  const expected = Buffer.concat([value, Buffer.alloc(64)])
  let length = value.length
  let over = false
  const writing = async (): Promise<void> => {
    for (let n = 0; !over; n++) {
      const at = n % 10 === 9 ? value.length + (n % 50) : (n * 104_729) % value.length
      const written = expected.write(`written${n}`, at)
      length = Math.max(length, at + written)
      const [reply] = await client.pipeline([`SETRANGE long ${at} written${n}`], 15_000)
      expect(reply).toBe(`:${length}\r\n`)
    }
  }
  const written = writing()
  await ferry.backfill(40_000)
  await meanwhile?.()
  await ferry.untilStatus('the string to be copied', ({ journal }) => journal.dirtyKeys === 0, 40_000)
  over = true
  await written
  client.close()
  await ferry.untilSettled(40_000)
  return expected.subarray(0, length)
}

const calls = async (client: Redis, name: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(await client.info('commandstats'))?.[1] ?? 0)

async function mustHave(client: Redis, key: string, expected: Buffer): Promise<void> {
  expect((await client.getBuffer(key))?.equals(expected)).toBe(true)
  expect(await client.pttl(key)).toBeGreaterThan(1_800_000)
  expect(await calls(client, 'psetex')).toBeGreaterThan(0)
  expect(await calls(client, 'append')).toBe(0)
}

async function cluster(): Promise<RedisCluster> {
  const all = await startCluster()
  started.push(all)
  return all
}

it('in a cluster', { timeout: 90_000 }, async () => {
  const [value, target] = await Promise.all([filled(0), cluster()])
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled, limits })
  const expected = await copyWhileWritten(value, 0)
  await mustHave((await target.primaryOf('long')).client, 'long', expected)
})

it('in a cluster, once its slot has come to another server', { timeout: 90_000 }, async () => {
  const [value, target] = await Promise.all([filled(0), cluster()])
  const slot = slotOfKey('long')
  const owner = await target.primaryOf('long')
  const heir = (await target.primaries()).find((node) => node !== owner)
  if (heir === undefined) throw new Error('one server only')
  await target.beginMigration(slot, heir)
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled, limits })
  const expected = await copyWhileWritten(value, 0, async () => {
    await target.moveKeys(slot)
    await target.finishMigration(slot)
  })
  await mustHave(heir.client, 'long', expected)
  // As long as it was on its way nothing of the value was sent.
  expect(await calls(owner.client, 'psetex')).toBe(0)
})

it.each(['fold', { 0: 0, 3: 5 }] as const)('in another database: %j', { timeout: 90_000 }, async (databases) => {
  const value = await filled(3)
  const target = await startRedis()
  started.push(target)
  ferry = await Ferry.start({ source: source.url, target: { url: target.url, databases }, mover: unthrottled, limits })
  const expected = await copyWhileWritten(value, 3)
  const client = target.client()
  if (databases !== 'fold') await client.select(5)
  await mustHave(client, databases === 'fold' ? 'db3:long' : 'long', expected)
})

it('folded, in a cluster', { timeout: 90_000 }, async () => {
  const [value, target] = await Promise.all([filled(3), cluster()])
  ferry = await Ferry.start({
    source: source.url,
    target: { url: target.url, databases: 'fold' },
    mover: unthrottled,
    limits,
  })
  const expected = await copyWhileWritten(value, 3)
  await mustHave((await target.primaryOf('db3:long')).client, 'db3:long', expected)
})
