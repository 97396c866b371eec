/**
 * Commands of a lost connection that reach the follower late, when Ferry's own connection to it is up again but that of the client's user is
 * not: the copy that makes the sides equal has to wait until nothing of the lost connection can be run any more.
 */
import { afterEach, expect, it } from 'vitest'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { multibulk, WireClient } from '../../support/wire-client.ts'

const servers: RedisServer[] = []
let proxy: ChaosProxy
let ferry: Ferry

afterEach(async () => {
  await ferry?.dispose()
  await proxy?.stop()
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

it('are in before the copy, or never', async () => {
  const args = ['--user', 'writer', 'on', '>w', '~*', '+@all']
  const [source, target] = await Promise.all([startRedis({ args }), startRedis({ args })])
  servers.push(source, target)
  proxy = await ChaosProxy.start(target.port)
  ferry = await Ferry.start({ source: source.url, target: proxy.url })
  await ferry.backfill()
  const client = await WireClient.open(ferry.port)
  expect(await client.pipeline(['AUTH writer w', 'SET late 100'])).toEqual(['+OK\r\n', '+OK\r\n'])
  await ferry.untilSettled()
  // The user's lane cannot come back and kill what it left; Ferry's own can.
  await target.client().call('ACL', 'SETUSER', 'writer', 'resetpass', '>changed')
  proxy.stall('to-server')
  client.write(multibulk('INCR', 'late').repeat(5))
  await client.take(5)
  await until(() => proxy.heldBytes > 0, { what: 'the commands to be on their way' })
  const { healed } = (await ferry.status()).journal
  proxy.orphan()
  // A copy that does not wait comes now, and the commands behind it.
  const copied = (): Promise<boolean> => ferry.status().then(({ journal }) => journal.healed > healed)
  await until(copied, { timeoutMs: 500 }).catch(() => null)
  proxy.pass()
  await ferry.untilSettled()
  expect(await source.client().get('late')).toBe('105')
  expect(await differencesOf(source, target)).toEqual([])
  client.close()
})
