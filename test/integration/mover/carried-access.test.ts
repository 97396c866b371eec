/** How lately or how often keys were used arrives with them, where a server tells it and takes the payload. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { copyRulesSchema } from '../../../src/config/copy-rules-schema.ts'
import { type StandAlone, standAlone } from '../../../src/mover/stand-alone.ts'
import type { AccessKind } from '../../../src/routing/access-kind.ts'
import type { CopyRules } from '../../../src/routing/copy-rules.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { CopyProcess } from '../../support/copy-process.ts'
import { Ferry } from '../../support/ferry.ts'
import { type Kind, options, policies } from '../../support/kept-access.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

vi.setConfig({ testTimeout: 60_000 })

/** More than it takes for a batch to be taken for one of strings. */
const strings = 3_000
const others = ['hash', 'list', 'expiring']
const useOf = (n: number): number => 100 + (n % 100)
/** A test takes seconds; what was just used is far below. */
const driftMax = 60

const servers: RedisServer[] = []
const copies: StandAlone[] = []
afterEach(async () => {
  await Promise.all(copies.splice(0).map((copy) => copy.stop()))
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function pair(
  from: string | undefined,
  to: string | undefined,
  kind: Kind,
  toKind = kind,
): Promise<[RedisServer, RedisServer]> {
  const both = await Promise.all([
    startRedis({ ...(from && { engine: from }), args: [...policies[kind]] }),
    startRedis({ ...(to && { engine: to }), args: [...policies[toKind]] }),
  ])
  servers.push(...both)
  return both
}

const namesOf = (count: number): string[] => [...Array.from({ length: count }, (_, n) => `s${n}`), ...others]

/** Used as long ago, or as often, as `useOf` has it. */
async function fill(server: RedisServer, kind: Kind, count = strings): Promise<void> {
  const client = server.client()
  const writing = client.pipeline().hset('hash', 'f', 'v').rpush('list', 'x', 'y').set('expiring', 'v', 'PX', 1e9)
  for (let n = 0; n < count; n++) writing.set(`s${n}`, `value ${n}`)
  await writing.exec()
  const names = namesOf(count)
  const dumping = client.pipeline()
  for (const name of names) dumping.dumpBuffer(name)
  const dumps = (await dumping.exec()) ?? []
  const using = client.pipeline()
  for (const [n, name] of names.entries())
    using.call('RESTORE', name, name === 'expiring' ? 1e9 : 0, dumps[n]?.[1] as Buffer, 'REPLACE', options[kind], useOf(n))
  await using.exec()
}

async function usesOf(server: RedisServer, kind: Kind, names: readonly string[]): Promise<unknown[]> {
  const asking = server.client().pipeline()
  for (const name of names) asking.call('OBJECT', options[kind], name)
  return ((await asking.exec()) ?? []).map(([error, use]) => error ?? use)
}

/** The names whose use did not arrive. */
async function lost(server: RedisServer, kind: Kind, count = strings): Promise<string[]> {
  const names = namesOf(count)
  const uses = await usesOf(server, kind, names)
  return names.filter((_, n) => {
    const drift = Number(uses[n]) - useOf(n)
    return !(drift >= 0 && drift <= (kind === 'idle' ? driftMax : 0))
  })
}

async function copyAll(from: RedisServer, to: RedisServer, carries: AccessKind, rules?: Partial<CopyRules>): Promise<StandAlone> {
  const sides = { source: parseEndpoint(from.url), target: parseEndpoint(to.url) }
  const copy = await standAlone(sides, null, rules === undefined ? null : copyRulesSchema.parse(rules), null, carries)
  copies.push(copy)
  expect(await copy.job.start({ from: 0, below: 16_384 }, false)).toBe(true)
  // Two batches may meet at a key.
  await copy.settled(new AbortController().signal)
  expect(await to.client().dbsize()).toBe(strings + others.length)
  return copy
}

async function callsOf(server: RedisServer): Promise<Record<string, number>> {
  const lines = (await server.client().info('commandstats')).matchAll(/cmdstat_([^:]+):calls=(\d+)/g)
  return Object.fromEntries([...lines].map(([, name, calls]) => [name, Number(calls)]))
}

const refusals = (copy: StandAlone): (string | null)[] =>
  copy.core.events
    .since(0)
    .filter(({ message }) => message.includes('they were used'))
    .map(({ reason }) => reason)

const told = (copy: StandAlone): string[] =>
  copy.core.events
    .since(0)
    .map(({ message }) => message)
    .filter((message) => message.includes('just used'))

const ways = [
  // By type: see carried-access-by-type.test.ts for all of them.
  ['redis-8.0', 'redis-7.0'],
  ['redis-8.0', 'valkey-9.1'],
  ['redis-7.0', 'redis-7.0'],
  ['redis-7.0', 'valkey-8.1'],
  ['valkey-8.1', 'redis-8.0'],
  ['redis-8.0', 'redis-8.0'],
  ['redis-7.0', 'valkey-9.1'],
  ['valkey-9.1', 'valkey-9.1'],
] as const

describe.each(ways)('from %s to %s', (from, to) => {
  it.skipIf(engineMissing(from) || engineMissing(to)).each(['idle', 'frequency'] as const)('%s arrives', async (kind) => {
    const [source, target] = await pair(from, to, kind)
    await fill(source, kind)
    expect(await lost(source, kind)).toEqual([])
    const copy = await copyAll(source, target, kind)
    expect(await lost(target, kind)).toEqual([])
    expect(await target.client().pttl('expiring')).toBeGreaterThan(9e8)
    expect([...refusals(copy), ...told(copy)]).toEqual([])
  })
})

describe('where it cannot be carried', () => {
  it.each([
    ['idle', 'frequency', /An LFU maxmemory policy is selected/],
    ['frequency', 'idle', /An LFU maxmemory policy is not selected/],
  ] as const)('%s from a server that keeps %s: every key arrives, and it is said once', async (asked, kept, words) => {
    const [source, target] = await pair(undefined, undefined, kept)
    await fill(source, kept)
    const copy = await copyAll(source, target, asked)
    expect(refusals(copy)).toEqual([expect.stringMatching(words)])
    expect(copy.store.countFailed()).toBe(0)
  })

  it('a server with the other policy takes the keys', async () => {
    const [source, target] = await pair(undefined, undefined, 'idle', 'frequency')
    await fill(source, 'idle')
    const copy = await copyAll(source, target, 'idle')
    expect(copy.store.countFailed()).toBe(0)
  })
})

describe('what is asked for', () => {
  it('is nothing where nobody wants it: strings go as strings, and arrive as just used', async () => {
    const [source, target] = await pair(undefined, undefined, 'idle')
    await fill(source, 'idle')
    for (const server of [source, target]) await server.client().config('RESETSTAT')
    await copyAll(source, target, 'none')
    const [asked, written] = [await callsOf(source), await callsOf(target)]
    expect(asked['object|idletime']).toBeUndefined()
    expect(asked.getrange).toBeGreaterThan(0)
    expect(written.set).toBeGreaterThan(0)
    expect(await lost(target, 'idle')).toHaveLength(strings + others.length)
  })

  it('is told with what is written where nothing is, and with what is healed', async () => {
    const [source, target] = await pair(undefined, undefined, 'idle')
    await fill(source, 'idle')
    await target.client().set('s0', 'mine')
    await copyAll(source, target, 'idle', { onConflict: 'skip' })
    expect(await lost(target, 'idle')).toEqual(['s0'])

    const healing = await standAlone(
      { source: parseEndpoint(source.url), target: parseEndpoint(target.url) },
      null,
      null,
      null,
      'idle',
    )
    copies.push(healing)
    await healing.copyKeys([{ db: 0, key: Buffer.from('s0') }])
    expect(await target.client().object('IDLETIME', 's0')).toBeGreaterThanOrEqual(useOf(0))
  })
})

describe('by whoever is asked', () => {
  it('ferry copy --carry-access', async () => {
    const [source, target] = await pair(undefined, undefined, 'frequency')
    await fill(source, 'frequency', 10)
    const copy = new CopyProcess(['--source', source.url, '--target', target.url, '--carry-access', 'frequency'])
    expect((await copy.end()).status).toBe(0)
    expect(await lost(target, 'frequency', 10)).toEqual([])
  })

  it('ferry serve with mover.carryAccess, which is no limit of the mover', async () => {
    const [source, target] = await pair(undefined, undefined, 'idle')
    await fill(source, 'idle', 10)
    const ferry = await Ferry.start({ source: source.url, target: target.url, mover: { carryAccess: 'idle' } })
    try {
      expect((await ferry.status()).mover.limits).not.toHaveProperty('carryAccess')
      await ferry.backfill()
      expect(await target.client().dbsize()).toBe(10 + others.length)
      expect(await lost(target, 'idle', 10)).toEqual([])
    } finally {
      await ferry.dispose()
    }
  })
})
