/** What happens to one side alone, without anybody asking for it through Ferry: it is noticed, and what it touched is copied again. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry
let client: WireClient

beforeEach(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url })
  await ferry.backfill()
  client = await WireClient.open(ferry.port)
})

afterEach(async () => {
  client?.close()
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

async function equal(): Promise<void> {
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
}

const healed = async (): Promise<number> => (await ferry.status()).journal.healed

it('a key that expired on one side before the other is copied', async () => {
  await client.ask('SET k v EX 1000')
  await ferry.untilSettled()
  const before = await healed()
  await target.client().pexpire('k', 1)
  await until(async () => (await healed()) > before, { what: 'the key to be healed' })
  await equal()
  expect(await target.client().get('k')).toBe('v')
})

it('what is written while expiries go unseen is copied', async () => {
  await ferry.untilSettled()
  const before = await healed()
  await target.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  const noticed = async (): Promise<boolean> => {
    await client.ask('SET k v EX 1000')
    return (await healed()) > before
  }
  await until(noticed, { what: 'a write to be in doubt' })
  await equal()
})

it('a command on all keys that one side refuses has everything copied again; its answer is the authority’s', async () => {
  await ferry.traffic({ writePolicy: 'both-required' })
  await client.pipeline(['SET a 1', 'SET b 2'])
  await ferry.untilSettled()
  await target.client().call('ACL', 'SETUSER', 'default', '-flushall')
  expect(await client.ask('FLUSHALL')).toBe('+OK\r\n')
  await equal()
  expect(await target.client().dbsize()).toBe(0)
})

it('a server that was started anew while Ferry was not running is noticed, and everything is copied again', async () => {
  await client.pipeline(['SET a 1', 'SET b 2'])
  await ferry.untilSettled()
  client.close()
  await ferry.stop()
  const { port } = target
  await target.stop()
  target = await startRedis({ port })
  await ferry.restart()
  await until(async () => (await target.client().dbsize()) === 2, { timeoutMs: 10_000, what: 'everything to be copied again' })
  await equal()
})
