/**
 * Ways in which a write that was answered could be undone, or the two sides part without anybody knowing. Each was possible once.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { differencesOf, Ferry, type FerrySettings } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let toSource: ChaosProxy
let toTarget: ChaosProxy
let ferry: Ferry
let client: WireClient

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
})

beforeEach(async () => {
  for (const server of [source, target]) await server.client().flushall()
  ;[toSource, toTarget] = await Promise.all([ChaosProxy.start(source.port), ChaosProxy.start(target.port)])
})

afterEach(async () => {
  client?.close()
  await ferry?.dispose()
  await Promise.all([toSource.stop(), toTarget.stop()])
})

afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()])
})

async function start(settings: Partial<FerrySettings> = {}): Promise<void> {
  ferry = await Ferry.start({ source: toSource.url, target: toTarget.url, ...settings })
  client = await WireClient.open(ferry.port)
}

async function expectEqual(): Promise<void> {
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
}

describe('SWAPDB', () => {
  it('takes along what is known to differ: the key is healed under its new name', async () => {
    await start()
    await ferry.backfill()
    const lines = ['EVAL return{redis.call("SET",KEYS[1],"1")} 1 k', 'SWAPDB 0 1', 'SELECT 1', 'GET k']
    expect((await client.pipeline(lines)).slice(1)).toEqual(['+OK\r\n', '+OK\r\n', bulk('1')])
    await expectEqual()
  })

  it('does not keep the gate closed for a client that is gone', async () => {
    await start()
    await ferry.backfill()
    const other = await WireClient.open(ferry.port)
    other.write('*3\r\n$6\r\nSWAPDB\r\n$1\r\n0\r\n$1\r\n1\r\n')
    other.vanish()
    expect(await client.ask('SET k 1')).toBe('+OK\r\n')
    await expectEqual()
  })
})

describe('a large read whose side is lost', () => {
  it('leaves everybody else their own replies', async () => {
    await start()
    await client.ask('SET mine 1')
    await ferry.backfill()
    await ferry.untilSettled()
    await ferry.traffic({ readMode: 'new' })
    toTarget.stall('to-client')
    const key = 'x'.repeat(300_000)
    const before = toTarget.counters.bytesToServer
    client.write(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`)
    await until(() => toTarget.counters.bytesToServer - before > key.length, { what: 'the command to be on the target' })
    toTarget.refuse()
    toTarget.cut()
    const [reply] = await client.take(1)
    expect(reply).toMatch(/^(\$-1|-ERR FERRY unknown-outcome: .+)\r\n$/)
    const other = await WireClient.open(ferry.port)
    expect(await other.pipeline(['GET mine', 'INCR mine', 'GET mine'])).toEqual([bulk('1'), ':2\r\n', bulk('2')])
    other.close()
  })
})

describe('a policy that takes the follower at its word', () => {
  it('does not where the key was not copied yet: what the follower makes of it would undo the source', async () => {
    await source.client().set('counter', 1000)
    await start({ policy: 'best-effort', limits: { authorityWaitMs: 50 } })
    await client.ask('PING')
    toSource.refuse()
    toSource.cut()
    await ferry.untilStatus('the source to be down', (status) => status.source.state === 'down')
    expect(await client.ask('INCR counter')).toMatch(/^-ERR FERRY authority-unavailable: /)
    toSource.pass()
    await ferry.untilStatus('the source to be up', (status) => status.source.state === 'up')
    await until(async () => (await client.ask('GET counter')) === bulk('1000'), { what: "the client's lane to be up" })
    expect(await client.ask('INCR counter')).toBe(':1001\r\n')
    await ferry.backfill()
    await expectEqual()
    expect(await target.client().get('counter')).toBe('1001')
  })

  it('waits for the key to be healed before the authority has the word again', async () => {
    await start({ policy: 'best-effort', limits: { authorityWaitMs: 2_000 } })
    await client.ask('SET counter 10')
    await ferry.backfill()
    await ferry.untilSettled()
    toSource.refuse()
    toSource.cut()
    await ferry.untilStatus('the source to be down', (status) => status.source.state === 'down')
    expect(await client.pipeline(['INCR counter', 'INCR counter'])).toEqual([':11\r\n', ':12\r\n'])
    toSource.pass()
    await ferry.untilStatus('the source to be up', (status) => status.source.state === 'up')
    expect(await client.ask('INCR counter')).toBe(':13\r\n')
    await expectEqual()
    expect(await source.client().get('counter')).toBe('13')
  })
})

describe('the target as the truth', () => {
  it('is refused before anything was copied to it', async () => {
    await source.client().set('k', 1)
    await start({ phase: 'observe', policy: 'new-authoritative' })
    await expect(ferry.step('start', { strategy: 'big-bang' })).rejects.toThrow(/409 .*blocked/)
    expect(await source.client().get('k')).toBe('1')
  })

  it('is not copied back over a source that has everything', async () => {
    await source.client().set('k', 1)
    await start({ policy: 'new-authoritative' })
    await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/409 .*blocked/)
    expect(await source.client().get('k')).toBe('1')
  })

  it('has what the source alone was right about when the migration is completed', async () => {
    await start()
    await ferry.backfill()
    await ferry.step('cutover')
    await ferry.traffic({ writePolicy: 'old-authoritative' })
    await client.pipeline(['EVAL return{redis.call("SET",KEYS[1],"1")} 1 k', 'SET j 2'])
    await ferry.step('complete')
    expect(await client.pipeline(['GET k', 'GET j'])).toEqual([bulk('1'), bulk('2')])
    expect(await target.client().mget('k', 'j')).toEqual(['1', '2'])
  })

  it('stays so until everything is copied back, however often the rollback of a completed migration is asked for', async () => {
    await start({ mover: { keysPerSecondMax: 300, batchKeys: 10 } })
    await source.client().mset(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`old:${i}`, `${i}`])))
    await ferry.backfill()
    await ferry.step('cutover')
    await ferry.step('complete')
    await client.pipeline(Array.from({ length: 50 }, (_, i) => `SET new:${i} ${i}`))
    await ferry.step('rollback')
    await ferry.step('rollback')
    expect((await ferry.status()).authority).toBe('target')
    await ferry.untilStatus('the source to be the authority', ({ authority }) => authority === 'source')
    expect(await client.ask('GET new:49')).toBe(bulk('49'))
    await expectEqual()
  })
})
