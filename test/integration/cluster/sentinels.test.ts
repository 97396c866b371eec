/**
 * The source is whoever the Sentinels name. The client: has its writes taken before and after a failover. The source that the Sentinels name
 * afterwards and the target: hold the same, and since a failover may lose what was acknowledged, Ferry wants everything copied again.
 */
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { fullStateOf } from '../../support/full-state.ts'
import { startRedis } from '../../support/redis-server.ts'
import { startSentinel } from '../../support/sentinel.ts'
import { until } from '../../support/wait.ts'

test('a failover moves the lanes to the new primary, and what it may have lost is not trusted', { timeout: 90_000 }, async () => {
  const sentinels = await startSentinel()
  const target = await startRedis()
  const ferry = await Ferry.start({ source: sentinels.url, target: target.url })
  const client = new Redis({ port: ferry.port, maxRetriesPerRequest: 0 })
  try {
    for (let i = 0; i < 50; i++) await client.set(`before:${i}`, i)
    await ferry.backfill()
    const heir = await sentinels.failover()
    // The former primary takes writes, and loses them, until it is told that it is none.
    const kept = async (): Promise<boolean> => {
      await client.set('after', 'x').catch(() => undefined)
      return (await fullStateOf(heir.port)).keys['0/after'] !== undefined
    }
    await until(kept, { what: 'a write to reach the new primary', timeoutMs: 20_000 })
    expect(ferry.log).toContain('source was restarted')
    // Which side lost what is for a person to decide.
    expect((await ferry.status()).journal.resyncNeeded).toContain('source was restarted')
    await ferry.backfill()
    expect(await fullStateOf(target.port)).toEqual(await fullStateOf(heir.port))
  } finally {
    client.disconnect()
    await ferry.dispose()
    await sentinels.stop()
    await target.stop()
  }
})
