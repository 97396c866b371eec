/** Every shape of value that takes a kibibyte by the ways of long ones. The target: has the same. */
import { afterEach, expect, it } from 'vitest'
import { fillEveryShape, fillFieldEnds } from '../../support/every-shape.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'

/** The least that may be set; a server counts its own part of each value, too. */
const longValueBytes = 1_024
let source: RedisServer
let target: RedisServer
let ferry: Ferry | null = null

async function start(engine?: string): Promise<void> {
  const options = engine === undefined ? {} : { engine }
  ;[source, target] = await Promise.all([startRedis(options), startRedis(options)])
  await fillEveryShape(source.client())
}

afterEach(async () => {
  await ferry?.dispose()
  ferry = null
  await Promise.all([source.stop(), target.stop()])
})

async function copyAsLong(): Promise<void> {
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled, limits: { longValueBytes } })
  await ferry.backfill(40_000)
  await ferry.untilSettled(40_000)
  expect((await ferry.status()).mover.account).toMatchObject({ exported: 0, waiting: 0 })
  expect(await differencesOf(source, target)).toEqual([])
}

it('arrives while it may be written to', { timeout: 90_000 }, async () => {
  await start()
  await copyAsLong()
})

it.skipIf(engineMissing('redis-8.0'))('arrives with the ends of its fields', { timeout: 90_000 }, async () => {
  await start('redis-8.0')
  await fillFieldEnds(source.client())
  await copyAsLong()
})
