/**
 * Strings that take more than one read each, copied in many batches one behind the other, so that the memory of one batch serves the next:
 * every value is the one of its key on the target, and the source's are what they were.
 */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'

const keys = 2_000
const longestBytes = 200_000
const batchBytes = 4 << 20

let stop: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of stop.splice(0)) await each()
})

async function fill(source: RedisServer): Promise<void> {
  const noise = randomBytes(longestBytes)
  const client = source.client()
  for (let n = 0; n < keys; n += 50) {
    const some = client.pipeline()
    for (let i = n; i < n + 50; i++) {
      // Each begins and ends in a way of its own.
      const value = Buffer.from(noise.subarray(0, 20_000 + ((i * 7_919) % (longestBytes - 20_000))))
      value.write(`${i}:`)
      value.write(`:${i}`, value.length - 10)
      some.set(`key:${i}`, value)
    }
    await some.exec()
  }
}

describe.each(['redis-7.0', 'valkey-9.1'])('strings of many reads, from %s', (engine) => {
  it.skipIf(engineMissing(engine))('arrive whole', async () => {
    const [source, target] = await Promise.all([startRedis({ engine }), startRedis()])
    stop = [() => source.stop(), () => target.stop()]
    await fill(source)
    const ferry = await Ferry.start({ source: source.url, target: target.url, mover: { ...unthrottled, batchBytes } })
    stop.unshift(() => ferry.dispose())
    await ferry.backfill()
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
    expect(await target.client().dbsize()).toBe(keys)
  })
})
