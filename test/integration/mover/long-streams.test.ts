/** Long streams that producers and consumers use all the time while they are copied. */
import { afterEach, describe, expect, it } from 'vitest'
import { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import { compareLong } from '../../scenarios/big-keys/compare-long.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { fillStream, StreamClient } from '../../support/stream-traffic.ts'
import { unthrottled } from '../../support/unthrottled.ts'

const seed = Number(process.env.FERRY_TEST_SEED ?? Date.now() % 1_000_000)
const entries = 20_000
const clients = 6
/** Its last part takes some ms; held all the time, clients wait for about 700 ms. */
const waitMsMax = 400
const longValueBytes = 1 << 20

let source: RedisServer
let target: RedisServer
let ferry: Ferry

afterEach(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

async function start(sourceEngine: string | undefined, targetEngine: string | undefined): Promise<void> {
  const server = (engine: string | undefined): Promise<RedisServer> =>
    startRedis({ ...(engine !== undefined && { engine }), args: ['--enable-debug-command', 'yes'] })
  ;[source, target] = await Promise.all([server(sourceEngine), server(targetEngine)])
  await fillStream(source.port, 'stream', entries, 100)
  await fillStream(source.port, 'stream:other', 500, 10)
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled, limits: { longValueBytes } })
}

/** How often each command was run, until all is copied; `beside` runs all the time, too. */
async function copyWhileUsed(...beside: ((n: number) => string[][])[]): Promise<Map<string, number>> {
  let running = true
  const counts = new Map<string, number>()
  const working = Array.from({ length: clients }, async (_, n) => {
    const client = new StreamClient(await RawConnection.open(ferry.port), new Random(seed + n), 'stream', entries)
    await client.run(() => running)
    for (const [name, count] of client.counts) counts.set(name, (counts.get(name) ?? 0) + count)
  })
  const others = beside.map(async (commands, i) => {
    const connection = await RawConnection.open(ferry.port)
    let n = 0
    for (; running; n++) await connection.batch(commands(n))
    connection.close()
    counts.set(`beside ${i}`, n)
  })
  await ferry.backfill(60_000)
  await ferry.untilStatus('the stream to be copied', ({ journal }) => journal.dirtyKeys === 0, 60_000)
  running = false
  await Promise.all([...working, ...others])
  await ferry.untilSettled(60_000)
  return counts
}

const pairs: { name: string; engines: [string | undefined, string | undefined] }[] = [
  { name: 'the servers on PATH', engines: [undefined, undefined] },
  { name: 'Redis 8.0 and Valkey 8.0', engines: ['redis-8.0', 'valkey-8.0'] },
]
const isThere = (engine: string | undefined): boolean => engine === undefined || !engineMissing(engine)

describe.each(pairs.filter(({ engines }) => engines.every(isThere)))('a long stream, $name', ({ engines }) => {
  it(`is copied while it is used, and held for a moment only (seed ${seed})`, { timeout: 150_000 }, async () => {
    await start(...engines)
    const counts = await copyWhileUsed()
    expect(await compareLong([source.port], [target.port]), `seed ${seed}`).toEqual([])
    const verbs = ['XADD', 'XREADGROUP', 'XREADGROUP that waits', 'XACK', 'XCLAIM', 'XAUTOCLAIM', 'XDEL', 'XTRIM', 'XGROUP']
    for (const verb of verbs) expect(counts.get(verb) ?? 0, verb).toBeGreaterThan(0)
    expect((await ferry.status()).holdWaitMaxMs).toBeLessThan(waitMsMax)
  })
})

describe('a long stream', () => {
  it('of which far more is deleted meanwhile than is kept until its end is reached', { timeout: 150_000 }, async () => {
    await start(undefined, undefined)
    // None of these ids is there; each is noted all the same.
    const ids = (n: number): string[] => Array.from({ length: 4_000 }, (_, i) => `${((n * 4_000 + i) % entries) + 1}-9`)
    const deletions = (n: number): string[][] => (n < 20 ? [['XDEL', 'stream', ...ids(n)]] : [['PING']])
    const counts = await copyWhileUsed(deletions)
    expect(counts.get('beside 0') ?? 0).toBeGreaterThan(20)
    expect(await compareLong([source.port], [target.port]), `seed ${seed}`).toEqual([])
  })

  it('that is changed in ways that tell nothing of its parts is held in the end', { timeout: 150_000 }, async () => {
    await start(undefined, undefined)
    const counts = await copyWhileUsed((n) => [['XGROUP', 'SETID', 'stream', 'untouched', `${n}-1`]])
    expect(counts.get('beside 0') ?? 0).toBeGreaterThan(5)
    expect(await compareLong([source.port], [target.port]), `seed ${seed}`).toEqual([])
  })

  it('to which something is always being added, far away from its source', { timeout: 150_000 }, async () => {
    await start(undefined, undefined)
    await ferry.dispose()
    const far = await ChaosProxy.start(source.port)
    far.delay(5)
    const limits = { longValueBytes }
    ferry = await Ferry.start({ source: `redis://127.0.0.1:${far.port}`, target: target.url, mover: unthrottled, limits })
    let running = true
    const adding = Array.from({ length: 30 }, async () => {
      const connection = await RawConnection.open(ferry.port)
      while (running) await connection.command('XADD', 'stream', '*', 'f', 'v')
      connection.close()
    })
    await ferry.backfill(25_000)
    await ferry.untilStatus('the stream to be copied', ({ journal }) => journal.dirtyKeys === 0, 25_000)
    running = false
    await Promise.all(adding)
    await ferry.untilSettled()
    expect(await compareLong([source.port], [target.port])).toEqual([])
    await ferry.dispose()
    await far.stop()
  })
})
