import { existsSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { engineMissing } from './redis-server.ts'
import { type SentinelSet, startSentinel } from './sentinel.ts'

const started: SentinelSet[] = []
const start = async (...options: Parameters<typeof startSentinel>): Promise<SentinelSet> => {
  const set = await startSentinel(...options)
  started.push(set)
  return set
}
afterEach(async () => {
  for (const set of started.splice(0)) await set.stop()
})

describe.each(['redis-7.0', 'redis-8.0', 'valkey-8.1', 'valkey-9.1'])('engine %s', (engine) => {
  const skipped = engineMissing(engine)

  test.skipIf(skipped)('the replica becomes the primary when that is killed', { timeout: 60_000 }, async () => {
    const set = await start({ engine, password: 'secret' })
    const [first, second] = set.servers
    expect(set.url).toBe(`redis-sentinel://:secret@${set.sentinels.map(({ port }) => `127.0.0.1:${port}`).join()}/main`)
    expect(await set.primary()).toBe(first)
    expect(await set.killPrimary()).toBe(second)
    expect(await set.client(await set.primary()).set('a', '1')).toBe('OK')
  })
})

test('the replica becomes the primary when asked to, and the other one follows it', { timeout: 60_000 }, async () => {
  const set = await start()
  const [first, second] = set.servers
  expect(await set.failover()).toBe(second)
  await set.untilInStep()
  expect(await set.failover()).toBe(first)
})

test('leaves nothing behind', async () => {
  const set = await start({ sentinels: 1, name: 'other' })
  await set.stop()
  for (const { dir, pid } of [...set.servers, ...set.sentinels]) {
    expect(existsSync(dir)).toBe(false)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  }
})
