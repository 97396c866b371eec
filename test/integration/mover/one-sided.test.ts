/** What happens to one side alone, without anybody asking for it through Ferry: it is noticed, and what it touched is copied again. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

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

describe('function libraries that only the authority has', () => {
  const load = ['FUNCTION', 'LOAD', "#!lua name=l\nredis.register_function('f', function() return 'here' end)"]
  const libraries = async (server: RedisServer): Promise<number> =>
    ((await server.client().call('FUNCTION', 'LIST')) as unknown[]).length
  /** By load and by restore alike. */
  const mayLoad = async (server: RedisServer, may: boolean): Promise<void> => {
    await server
      .client()
      .call('ACL', 'SETUSER', 'default', ...['load', 'restore'].map((sub) => `${may ? '+' : '-'}function|${sub}`))
  }

  it('are on the other side as well before that takes over', async () => {
    await ferry.step('cutover')
    await mayLoad(source, false)
    client.write(multibulk(...load))
    expect((await client.take(1))[0]).toBe(bulk('l'))
    await ferry.untilSettled()
    await mayLoad(source, true)
    await ferry.step('rollback', { to: 'mirror' })
    expect(await client.ask('FCALL f 0')).toBe(bulk('here'))
    expect([await libraries(source), await libraries(target)]).toEqual([1, 1])
  })

  it('are copied when Ferry is started anew', async () => {
    await mayLoad(target, false)
    client.write(multibulk(...load))
    expect((await client.take(1))[0]).toBe(bulk('l'))
    await ferry.stop()
    await mayLoad(target, true)
    await ferry.restart()
    expect(await libraries(target)).toBe(1)
  })
})

describe('a database that the target does not have', () => {
  let small: RedisServer
  let toSmall: ChaosProxy
  let ours: Ferry

  beforeEach(async () => {
    small = await startRedis({ args: ['--databases', '4'] })
    toSmall = await ChaosProxy.start(small.port)
    ours = await Ferry.start({ source: source.url, target: toSmall.url })
    await ours.backfill()
  })

  afterEach(async () => {
    await ours?.dispose()
    await toSmall?.stop()
    await small?.stop()
  })

  it('is not swapped with another: nothing of that could be copied', async () => {
    const through = await WireClient.open(ours.port)
    const no = '-ERR FERRY unsupported: target has no database 9 (ERR DB index is out of range)\r\n'
    const lines = ['SET a 1', 'SWAPDB 0 9', 'SWAPDB 9 0', 'SWAPDB 0 99', 'SWAPDB 0 x', 'MULTI', 'SWAPDB 0 9', 'EXEC', 'GET a']
    const range = '-ERR DB index is out of range\r\n'
    const aborted = '-EXECABORT Transaction discarded because of previous errors.\r\n'
    const said = await through.pipeline(lines)
    through.close()
    expect(said).toEqual(['+OK\r\n', no, no, range, '-ERR invalid second DB index\r\n', '+OK\r\n', no, aborted, '$1\r\n1\r\n'])
  })

  it('stands before a start as long as a client is in it', async () => {
    await ours.step('rollback', { to: 'observe' })
    const within = await WireClient.open(ours.port)
    expect(await within.ask('SELECT 9')).toBe('+OK\r\n')
    await expect(ours.step('start')).rejects.toThrow(/9 \(used by clients\)/)
    within.close()
    await ours.untilStatus('nothing to stand before it', ({ blockers }) => blockers.length === 0)
    await ours.step('start')
  })

  it('is not taken for another in silence where a client was in it before the target could be asked', async () => {
    toSmall.refuse()
    toSmall.cut()
    await ours.untilStatus('the target to be gone', ({ target }) => target.state !== 'up')
    const [within, beside] = await Promise.all([WireClient.open(ours.port), WireClient.open(ours.port)])
    expect(await within.ask('SELECT 9')).toBe('+OK\r\n')
    await beside.ask('SET a right')
    toSmall.pass()
    await ours.untilStatus('the target to be back', ({ target }) => target.state === 'up')
    // As long as the lane of its user is not up again, its keys go to the journal and from there to the error queue.
    const doubted = async (): Promise<boolean> => {
      expect(await within.ask('SET a wrong')).toBe('+OK\r\n')
      return (await ours.status()).journal.resyncNeeded?.includes('another database') ?? false
    }
    await until(doubted, { timeoutMs: 15_000, what: 'everything to be in doubt' })
    within.close()
    beside.close()
  })

  it('costs nobody a connection where a script writes to it: the key is said to have failed', async () => {
    const through = await WireClient.open(ours.port)
    const script = "redis.call('select', 9) redis.call('set', KEYS[1], 'x')"
    expect(await through.call('EVAL', script, '1', 'k')).toBe('$-1\r\n')
    expect(await through.ask('SET a 1')).toBe('+OK\r\n')
    await ours.untilStatus('the key to have failed', ({ journal }) => journal.dirtyKeys === 0 && journal.failed === 1)
    expect(ours.log).not.toContain('the server refused SELECT')
    expect(await small.client().get('a')).toBe('1')
    through.close()
  })
})
