/** How keys were used arrives with values that are copied by their types, too: the writing side restores what it dumps itself. */
import type { Redis } from 'ioredis'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { copyRulesSchema } from '../../../src/config/copy-rules-schema.ts'
import { type StandAlone, standAlone } from '../../../src/mover/stand-alone.ts'
import type { AccessKind } from '../../../src/routing/access-kind.ts'
import { type DatabaseLayout, databaseLayoutOf } from '../../../src/routing/database-layout.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { fillEveryShape } from '../../support/every-shape.ts'
import { fullStateOf } from '../../support/full-state.ts'
import { type Kind, options, policies } from '../../support/kept-access.ts'
import { type RedisCluster, startCluster } from '../../support/redis-cluster.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { verified } from '../../support/verified.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Payloads of it are taken by no other of the servers. */
const from = 'redis-8.0'
/** Above limits.longValueBytes; the stream only by what MEMORY USAGE says of it. */
const longKey = 'string-2500000'
const longKeys = ['past', longKey]
const longTold = 'long values arrive as just used'
const typedTold = 'keys that are copied by type arrive as just used: the target does not restore what it dumps itself'
const useOf = (n: number): number => 100 + (n % 100)
/** A test takes seconds; what was just used is far below. */
const driftMax = 60

const stopping: { stop(): Promise<void> }[] = []
afterEach(async () => {
  // Copies before their servers.
  for (const each of stopping.splice(0).reverse()) await each.stop()
})

async function server(kind: Kind, engine?: string): Promise<RedisServer> {
  const started = await startRedis({ ...(engine && { engine }), args: [...policies[kind]] })
  stopping.push(started)
  return started
}

/** Each name of the database with its place in their order, which says how it was used. */
async function namesOf(client: Redis): Promise<Buffer[]> {
  return (await client.keysBuffer('*')).sort(Buffer.compare)
}

/** Makes the keys as old, or as much used, as `useOf` has it. */
async function use(client: Redis, kind: Kind): Promise<Buffer[]> {
  const names = await namesOf(client)
  const asking = client.pipeline()
  for (const name of names) asking.dumpBuffer(name).pexpiretime(name)
  const said = (await asking.exec()) ?? []
  const using = client.pipeline()
  for (const [n, name] of names.entries()) {
    const [dump, end] = [said[2 * n]?.[1] as Buffer, Math.max(0, said[2 * n + 1]?.[1] as number)]
    using.call('RESTORE', name, end, dump, 'REPLACE', 'ABSTTL', options[kind], useOf(n))
  }
  const failed = (await using.exec())?.find(([error]) => error !== null)
  if (failed?.[0]) throw failed[0]
  return names
}

/** The names whose use did not arrive. */
async function lost(ask: (name: Buffer) => Promise<unknown>, kind: Kind, names: readonly Buffer[]): Promise<string[]> {
  const uses = await Promise.all(names.map(ask))
  return names.flatMap((name, n) => {
    const drift = Number(uses[n]) - useOf(n)
    return drift >= 0 && drift <= (kind === 'idle' ? driftMax : 0) ? [] : [name.toString('latin1')]
  })
}

const asked =
  (client: Redis, kind: Kind, prefix = '') =>
  (name: Buffer): Promise<unknown> =>
    client.call('OBJECT', options[kind], Buffer.concat([Buffer.from(prefix), name]))

interface Way {
  readonly rules?: object
  readonly layout?: DatabaseLayout | null
}

async function copyAll(
  source: RedisServer,
  target: string,
  carries: AccessKind,
  { rules, layout }: Way = {},
): Promise<StandAlone> {
  const sides = { source: parseEndpoint(source.url), target: parseEndpoint(target) }
  const parsed = rules === undefined ? null : copyRulesSchema.parse(rules)
  const copy = await standAlone(sides, null, parsed, layout ?? null, carries)
  stopping.push(copy)
  expect(await copy.job.start({ from: 0, below: 16_384 }, false)).toBe(true)
  // Two batches may meet at a key.
  await copy.settled(new AbortController().signal)
  expect(copy.store.countFailed()).toBe(0)
  return copy
}

const told = ({ core }: StandAlone): (readonly [string, string | null])[] =>
  core.events
    .since(0)
    .filter(({ message }) => message.includes('used'))
    .map(({ message, reason }) => [message, reason])

const messagesOf = (copy: StandAlone): string[] => told(copy).map(([message]) => message)

async function callsOf(of: RedisServer): Promise<Record<string, number>> {
  const lines = (await of.client().info('commandstats')).matchAll(/cmdstat_([^:]+):calls=(\d+)/g)
  return Object.fromEntries([...lines].map(([, name, calls]) => [name, Number(calls)]))
}

describe.skipIf(engineMissing(from))(`from ${from}`, () => {
  const targets = [undefined, 'valkey-9.1'].filter((engine) => engine === undefined || !engineMissing(engine))
  const both = targets.flatMap((engine) => (['idle', 'frequency'] as const).map((kind) => ({ engine, kind })))

  it.each(both)('to $engine every type arrives with its $kind', async ({ engine, kind }) => {
    const [source, target] = [await server(kind, from), await server(kind, engine)]
    await fillEveryShape(source.client())
    const names = await use(source.client(), kind)
    expect(await lost(asked(source.client(), kind), kind, names)).toEqual([])
    const copy = await copyAll(source, target.url, kind)
    expect(await lost(asked(target.client(), kind), kind, names)).toEqual(longKeys)
    expect(messagesOf(copy)).toEqual([longTold])
    expect((await fullStateOf(target.port)).keys).toEqual((await fullStateOf(source.port)).keys)
    expect(await verified(source, target)).toEqual([])
  })

  it('fields of a hash keep their ends', async () => {
    const [source, target] = [await server('idle', from), await server('idle', 'valkey-9.1')]
    await source.client().hset('hash', 'f', 'v', 'g', 'w')
    await source.client().call('HPEXPIREAT', 'hash', 4_102_444_800_000, 'FIELDS', 1, 'f')
    const names = await use(source.client(), 'idle')
    await copyAll(source, target.url, 'idle')
    expect(await lost(asked(target.client(), 'idle'), 'idle', names)).toEqual([])
    expect(await target.client().call('HPEXPIRETIME', 'hash', 'FIELDS', 2, 'f', 'g')).toEqual([4_102_444_800_000, -1])
  })

  it.each([
    ['may run no script', '-eval', /NOPERM/],
    ['may not dump', '-dump', /can't run this command/],
  ])('a target whose user %s takes the values, and it is said once', async (_, rule, words) => {
    const [source, target] = [await server('idle', from), await server('idle')]
    await fillEveryShape(source.client())
    const names = await use(source.client(), 'idle')
    await target.client().call('ACL', 'SETUSER', 'copier', 'on', '>secret', '~*', '&*', '+@all', rule)
    const copy = await copyAll(source, target.url.replace('//', '//copier:secret@'), 'idle')
    expect(await lost(asked(target.client(), 'idle'), 'idle', names)).toHaveLength(names.length)
    expect(told(copy)).toEqual(
      expect.arrayContaining([
        [longTold, expect.anything()],
        [typedTold, expect.stringMatching(words)],
      ]),
    )
    expect(told(copy)).toHaveLength(2)
    expect((await fullStateOf(target.port)).keys).toEqual((await fullStateOf(source.port)).keys)
  })

  it('nothing is asked for, and no script runs, where nobody wants it', async () => {
    const [source, target] = [await server('idle', from), await server('idle')]
    await fillEveryShape(source.client())
    for (const each of [source, target]) await each.client().config('RESETSTAT')
    const copy = await copyAll(source, target.url, 'none')
    const [read, written] = [await callsOf(source), await callsOf(target)]
    expect(Object.keys(read).filter((name) => name.startsWith('object'))).toEqual([])
    expect([written.eval, written.dump]).toEqual([undefined, undefined])
    expect(written.set).toBeGreaterThan(0)
    expect(told(copy)).toEqual([])
  })

  it.each(['idle', 'frequency'] as const)('what is there stays as it is, with its own %s; what is not arrives', async (kind) => {
    const [source, target] = [await server(kind, from), await server(kind)]
    await fillEveryShape(source.client())
    const names = await use(source.client(), kind)
    const there = ['string', 'list', 'past', 'hash-long', 'string-65537']
    for (const name of there) await target.client().set(name, 'mine', 'PX', 1e9)
    await copyAll(source, target.url, kind, { rules: { onConflict: 'skip' } })
    expect(await lost(asked(target.client(), kind), kind, names)).toEqual([...there, longKey].sort())
    for (const name of there) {
      expect(await target.client().pttl(name)).toBeGreaterThan(9e8)
      expect(await target.client().get(name)).toBe('mine')
    }
    expect((await target.client().keys('ferry:*')).length).toBe(0)
    expect((await verified(source, target)).map(({ key }) => key).sort()).toEqual([...there].sort())
  })

  it('new values arrive where no script may run', async () => {
    const [source, target] = [await server('idle', from), await server('idle')]
    await fillEveryShape(source.client())
    await target.client().call('ACL', 'SETUSER', 'copier', 'on', '>secret', '~*', '&*', '+@all', '-eval')
    const url = target.url.replace('//', '//copier:secret@')
    const copy = await copyAll(source, url, 'idle', { rules: { onConflict: 'skip' } })
    expect(messagesOf(copy).sort()).toEqual([typedTold, longTold].sort())
    expect(await verified(source, target)).toEqual([])
    expect((await target.client().keys('ferry:*')).length).toBe(0)
  })

  it('arrives in databases that are folded into one', async () => {
    const [source, target] = [await server('idle', from), await server('idle')]
    await fillEveryShape(source.client())
    const client = source.client({ db: 3 })
    await client.set('expiring', 'v', 'PX', 1e9)
    await client.rpush('staged', ...Array.from({ length: 3_000 }, (_, n) => n))
    const names = await use(client, 'idle')
    await copyAll(source, target.url, 'idle', { layout: databaseLayoutOf('fold') })
    expect(await lost(asked(target.client(), 'idle', 'db3:'), 'idle', names)).toEqual([])
  })

  it.each([{}, { rules: { onConflict: 'skip' } }])('arrives in a cluster: %j', async (way) => {
    const source = await server('idle', from)
    const cluster: RedisCluster = await startCluster({ primaries: 2, args: [...policies.idle] })
    stopping.push(cluster)
    await fillEveryShape(source.client())
    await source.client({ db: 3 }).flushdb()
    const names = await use(source.client(), 'idle')
    const copy = await copyAll(source, cluster.url, 'idle', way)
    const ask = async (name: Buffer): Promise<unknown> => {
      const said = await Promise.allSettled(cluster.nodes.map(({ client }) => asked(client, 'idle')(name)))
      return said.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))[0]
    }
    expect(await lost(ask, 'idle', names)).toEqual(longKeys)
    expect(messagesOf(copy)).toEqual([longTold])
  })
})
