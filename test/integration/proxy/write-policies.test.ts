/**
 * The six write policies, case by case: what the client is told, what the journal then holds, and what both sides hold once all is well
 * again. A proxy that misbehaves on demand stands before each server, so that a side can be down or be lost in mid-command without losing
 * what it holds.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WritePolicy } from '../../../src/routing/modes.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let toSource: ChaosProxy
let toTarget: ChaosProxy
let ferry: Ferry
let client: WireClient
let key = ''
let count = 0

const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const unreachable = /^-ERR FERRY authority-unavailable: source is not reachable \(.+\); nothing was sent\r\n$/

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ;[toSource, toTarget] = await Promise.all([ChaosProxy.start(source.port), ChaosProxy.start(target.port)])
  ferry = await Ferry.start({
    source: toSource.url,
    target: toTarget.url,
    limits: { authorityWaitMs: 100, followerTimeoutMs: 60_000 },
  })
  await ferry.backfill()
  client = await WireClient.open(ferry.port)
})

beforeEach(() => {
  key = `k${++count}`
})

afterAll(async () => {
  client?.close()
  await ferry?.dispose()
  await Promise.all([toSource?.stop(), toTarget?.stop()])
  await Promise.all([source?.stop(), target?.stop()])
})

async function follow(policy: WritePolicy): Promise<void> {
  await client.ask('PING')
  await ferry.untilSettled()
  await ferry.traffic({ writePolicy: policy })
}

/** Both sides up again, and equal. */
async function heal(): Promise<void> {
  toSource.pass()
  toTarget.pass()
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
}

async function values(): Promise<[string, string]> {
  const show = async (server: RedisServer): Promise<string> => {
    const redis = server.client()
    const type = await redis.type(key)
    const value = type === 'list' ? await redis.lrange(key, 0, -1) : await redis.get(key)
    redis.disconnect()
    return `${type} ${value}`
  }
  return [await show(source), await show(target)]
}

/** Behind Ferry's back: INCR of it fails there, and there only. */
const spoil = async (server: RedisServer): Promise<void> => {
  await server.client().rpush(key, 'spoilt')
}

const policies: WritePolicy[] = [
  'old-authoritative',
  'best-effort',
  'both-required',
  'last-write-wins',
  'two-phase-commit',
  'new-authoritative',
]

describe.each(policies)('%s, both sides well', (policy) => {
  it('answers with one reply and writes both sides', async () => {
    await follow(policy)
    const lines = [`INCR ${key}`, `INCR ${key}`, `SET ${key} 5 GET`, `GET ${key}`]
    expect(await client.pipeline(lines)).toEqual([':1\r\n', ':2\r\n', '$1\r\n2\r\n', '$1\r\n5\r\n'])
    await ferry.untilSettled()
    expect(await values()).toEqual(['string 5', 'string 5'])
  })

  it('takes the same refusal on both sides for agreement: no key comes into doubt', async () => {
    await follow(policy)
    await client.ask(`RPUSH ${key} a`)
    const { journal, divergencesTotal } = await ferry.untilSettled()
    expect(await client.ask(`INCR ${key}`)).toBe(`-${wrongType}\r\n`)
    const now = await ferry.untilSettled()
    expect([now.journal.healed, now.divergencesTotal]).toEqual([journal.healed, divergencesTotal])
    expect(await values()).toEqual(['list a', 'list a'])
  })

  it('carries a transaction as one block', async () => {
    await follow(policy)
    const lines = ['MULTI', `INCR ${key}`, `APPEND ${key} 0`, 'EXEC', `GET ${key}`]
    expect((await client.pipeline(lines)).slice(3)).toEqual(['*2\r\n:1\r\n:2\r\n', '$2\r\n10\r\n'])
    await heal()
  })
})

interface Told {
  readonly policy: WritePolicy
  readonly reply: string | RegExp
  /** Source and target when all is well again. */
  readonly after: readonly [string, string]
}
const one: [string, string] = ['string 1', 'string 1']
const list: [string, string] = ['list spoilt', 'list spoilt']
const none: [string, string] = ['none null', 'none null']

describe('the target refuses what the source does', () => {
  it.each<Told>([
    { policy: 'old-authoritative', reply: ':1\r\n', after: one },
    { policy: 'best-effort', reply: ':1\r\n', after: one },
    { policy: 'both-required', reply: `-ERR FERRY both-required: target: ${wrongType}\r\n`, after: one },
    { policy: 'last-write-wins', reply: ':1\r\n', after: one },
    // The source is as before, and so is the target: they differed after, and not by this write.
    { policy: 'two-phase-commit', reply: `-ERR FERRY aborted: target: ${wrongType}\r\n`, after: ['none null', 'list spoilt'] },
    { policy: 'new-authoritative', reply: `-${wrongType}\r\n`, after: list },
  ])('$policy', async ({ policy, reply, after }) => {
    await follow(policy)
    const { healed } = (await ferry.status()).journal
    await spoil(target)
    expect(await client.ask(`INCR ${key}`)).toBe(reply)
    const { journal } = await ferry.untilSettled()
    expect(await values()).toEqual(after)
    if (policy === 'two-phase-commit') await target.client().del(key)
    else expect(journal.healed).toBe(healed + 1)
  })
})

describe('the source refuses what the target does', () => {
  it.each<Told>([
    { policy: 'old-authoritative', reply: `-${wrongType}\r\n`, after: list },
    { policy: 'best-effort', reply: ':1\r\n', after: one },
    { policy: 'both-required', reply: `-ERR FERRY both-required: source: ${wrongType}\r\n`, after: list },
    { policy: 'last-write-wins', reply: ':1\r\n', after: one },
    { policy: 'two-phase-commit', reply: `-ERR FERRY aborted: source: ${wrongType}\r\n`, after: list },
    { policy: 'new-authoritative', reply: ':1\r\n', after: one },
  ])('$policy', async ({ policy, reply, after }) => {
    await follow(policy)
    await spoil(source)
    expect(await client.ask(`INCR ${key}`)).toBe(reply)
    await ferry.untilSettled()
    expect(await values()).toEqual(after)
  })
})

async function down(proxy: ChaosProxy, side: 'source' | 'target'): Promise<void> {
  proxy.refuse()
  proxy.cut()
  await ferry.untilStatus(`${side} to be down`, (status) => status[side].state === 'down')
}

describe('the target is down', () => {
  it.each<Told>([
    { policy: 'old-authoritative', reply: ':1\r\n', after: one },
    { policy: 'best-effort', reply: ':1\r\n', after: one },
    { policy: 'both-required', reply: '-ERR FERRY both-required: target: not reachable\r\n', after: one },
    { policy: 'last-write-wins', reply: ':1\r\n', after: one },
    { policy: 'two-phase-commit', reply: '-ERR FERRY aborted: target is not reachable, nothing was sent\r\n', after: none },
  ])('$policy', async ({ policy, reply, after }) => {
    await follow(policy)
    await down(toTarget, 'target')
    expect(await client.ask(`INCR ${key}`)).toBe(reply)
    expect((await ferry.status()).journal.dirtyKeys).toBe(policy === 'two-phase-commit' ? 0 : 1)
    await heal()
    expect(await values()).toEqual(after)
  })

  it('new-authoritative: nothing is sent anywhere', async () => {
    await follow('new-authoritative')
    await down(toTarget, 'target')
    expect(await client.ask(`INCR ${key}`)).toMatch(/^-ERR FERRY authority-unavailable: target is not reachable/)
    await heal()
    expect(await values()).toEqual(none)
  })
})

describe('the source is down', () => {
  it.each<Told>([
    { policy: 'old-authoritative', reply: unreachable, after: none },
    { policy: 'best-effort', reply: ':1\r\n', after: one },
    { policy: 'both-required', reply: unreachable, after: none },
    { policy: 'last-write-wins', reply: ':1\r\n', after: one },
    { policy: 'two-phase-commit', reply: unreachable, after: none },
    { policy: 'new-authoritative', reply: ':1\r\n', after: one },
  ])('$policy', async ({ policy, reply, after }) => {
    await follow(policy)
    await down(toSource, 'source')
    const told = await client.ask(`INCR ${key}`)
    if (typeof reply === 'string') expect(told).toBe(reply)
    else expect(told).toMatch(reply)
    expect((await ferry.status()).journal.dirtyKeys).toBe(after === none ? 0 : 1)
    await heal()
    expect(await values()).toEqual(after)
  })
})

/** The side's replies do not come any more. A two-phase write needs some of them first: there it is long enough to see the command on the server. */
function holdReplies(policy: WritePolicy, proxy: ChaosProxy): void {
  if (policy === 'two-phase-commit') proxy.delay(250)
  else proxy.stall('to-client')
}

/** The side takes the command, and its connections are cut before the reply comes back. */
async function loseInFlight(proxy: ChaosProxy, server: RedisServer): Promise<void> {
  const redis = server.client()
  await until(() => redis.exists(key), { what: 'the command to have run' })
  await until(() => proxy.heldBytes > 0, { what: 'its reply to be held back' })
  proxy.cut()
}

describe('the target is lost with the command in flight', () => {
  it.each<Told>([
    { policy: 'old-authoritative', reply: ':1\r\n', after: one },
    { policy: 'best-effort', reply: ':1\r\n', after: one },
    {
      policy: 'both-required',
      reply: '-ERR FERRY both-required: target: connection lost, outcome unknown\r\n',
      after: one,
    },
    { policy: 'last-write-wins', reply: ':1\r\n', after: one },
    { policy: 'two-phase-commit', reply: '-ERR FERRY aborted: target: connection lost\r\n', after: none },
    {
      policy: 'new-authoritative',
      reply: /^-ERR FERRY unknown-outcome: target was lost before it answered \(.+\)\r\n$/,
      after: one,
    },
  ])('$policy', async ({ policy, reply, after }) => {
    await follow(policy)
    holdReplies(policy, toTarget)
    const [told] = await Promise.all([client.ask(`INCR ${key}`), loseInFlight(toTarget, target)])
    if (typeof reply === 'string') expect(told).toBe(reply)
    else expect(told).toMatch(reply)
    await ferry.untilStatus('the key to be in the journal', ({ journal }) => journal.dirtyKeys === 1)
    await heal()
    expect(await values()).toEqual(after)
  })

  it.each<WritePolicy>(['old-authoritative', 'best-effort', 'last-write-wins'])(
    '%s: the client does not wait for it',
    async (policy) => {
      await follow(policy)
      toTarget.stall('to-client')
      const startMs = performance.now()
      expect(await client.ask(`INCR ${key}`)).toBe(':1\r\n')
      expect(performance.now() - startMs).toBeLessThan(100)
      await heal()
    },
  )
})

describe('the source is lost with the command in flight', () => {
  it.each<Told>([
    {
      policy: 'old-authoritative',
      reply: /^-ERR FERRY unknown-outcome: source was lost before it answered \(.+\)\r\n$/,
      after: one,
    },
    { policy: 'best-effort', reply: ':1\r\n', after: one },
    {
      policy: 'both-required',
      reply: '-ERR FERRY both-required: source: connection lost, outcome unknown\r\n',
      after: one,
    },
    { policy: 'last-write-wins', reply: ':1\r\n', after: one },
    { policy: 'two-phase-commit', reply: '-ERR FERRY aborted: source: connection lost\r\n', after: none },
    { policy: 'new-authoritative', reply: ':1\r\n', after: one },
  ])('$policy', async ({ policy, reply, after }) => {
    await follow(policy)
    holdReplies(policy, toSource)
    const [told] = await Promise.all([client.ask(`INCR ${key}`), loseInFlight(toSource, source)])
    if (typeof reply === 'string') expect(told).toBe(reply)
    else expect(told).toMatch(reply)
    await heal()
    expect(await values()).toEqual(after)
  })
})

describe('two-phase-commit, the source is lost with the command in flight', () => {
  /** The source runs this and its reply is held back, until both of the client's lanes have what they get; then `cut`. */
  async function lose(command: string, ran: () => Promise<boolean>, ...cut: ChaosProxy[]): Promise<string> {
    for (const proxy of cut) holdReplies('two-phase-commit', proxy)
    const told = client.ask(command)
    await until(ran, { what: 'the command to have run' })
    await until(() => cut.every((proxy) => proxy.heldBytes > 0), { what: 'its replies to be held back' })
    for (const proxy of cut) proxy.cut()
    return told
  }

  it('a target that refused for want of the key does not take it from the source', async () => {
    await follow('two-phase-commit')
    // As long as it is not copied.
    await source.client().rpush(key, 'old')
    const ran = async (): Promise<boolean> => (await source.client().lindex(key, 0)) === 'new'
    expect(await lose(`LSET ${key} 0 new`, ran, toSource)).toBe('-ERR FERRY aborted: source: connection lost\r\n')
    await heal()
    expect(await values()).toEqual(['list old', 'list old'])
  })

  it('and the target as well: nobody is told that nothing was done', async () => {
    await follow('two-phase-commit')
    const ran = async (): Promise<boolean> =>
      (await Promise.all([source, target].map((server) => server.client().exists(key)))).every(Boolean)
    expect(await lose(`SET ${key} 1`, ran, toSource, toTarget)).toMatch(
      /^-ERR FERRY unknown-outcome: it could not be taken back: source/,
    )
    await heal()
    expect(await values()).toEqual(one)
  })
})
