/** Random data on both sides, copied by random rules: what the target has afterwards is what a model says. */
import fc from 'fast-check'
import type { ChainableCommander, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copyRulesSchema } from '../../../src/config/copy-rules-schema.ts'
import { isTemporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { mayScan, noteEnd } from '../../../src/mover/copy-permit.ts'
import { standAlone } from '../../../src/mover/stand-alone.ts'
import type { CopyRules } from '../../../src/routing/copy-rules.ts'
import { slotCount } from '../../../src/routing/slot.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { fullStateOf } from '../../support/full-state.ts'
import { holdsAsync } from '../../support/property.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { heldIn, modelOf, type Outcome, type Sides } from '../../support/rule-model.ts'

const hourMs = 3_600_000
const runs = 40

interface Item {
  readonly db: number
  readonly name: string
  readonly type: 'string' | 'list' | 'set' | 'zset' | 'hash' | 'stream'
  /** 1500 goes in two windows. */
  readonly count: number
  /** Shifts the elements, so that two values of a type have some in common. */
  readonly first: number
  readonly ttlHours: number | null
  readonly idleSeconds: number
  readonly fieldEnds: boolean
}

const names = ['a:1', 'a:2', 'a:b:1', 'b:1', 'b:2', 'c:1', 'b:b:1']
const places = [...names.map((name) => ({ db: 0, name })), ...names.slice(0, 4).map((name) => ({ db: 2, name }))]
/** Types are few, so that often both sides have one. */
const itemOf = fc.record({
  type: fc.constantFrom('string', 'string', 'list', 'list', 'set', 'zset', 'hash', 'hash', 'stream'),
  count: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 5 }) }, { weight: 1, arbitrary: fc.constant(1_500) }),
  first: fc.integer({ min: 0, max: 4 }),
  ttlHours: fc.constantFrom(null, null, 1, 10),
  idleSeconds: fc.constantFrom(1_000, 2_000, 3_000),
  fieldEnds: fc.boolean(),
})
/** A key is on one side, or on both with two values of one type, or of two. */
const sidesItems: fc.Arbitrary<{ source: Item[]; target: Item[] }> = fc
  .tuple(...places.map(() => fc.tuple(fc.constantFrom('source', 'target', 'alike', 'alike', 'both', 'none'), itemOf, itemOf)))
  .map((all) => {
    const on = (side: 'source' | 'target'): Item[] =>
      all.flatMap(([where, one, other], i) => {
        if (where === 'none' || (where !== side && where !== 'alike' && where !== 'both')) return []
        const item = side === 'source' ? one : other
        return { ...(places[i] as (typeof places)[0]), ...item, type: where === 'alike' ? one.type : item.type }
      })
    return { source: on('source'), target: on('target') }
  })
const patterns = fc.constantFrom<readonly string[]>([], [], [], ['a:*'], ['a:b:*', 'c*'], ['b*'])
const noFilter = copyRulesSchema.parse({}).filter
const filterOf: fc.Arbitrary<CopyRules['filter']> = fc.record({
  include: patterns,
  exclude: patterns,
  types: fc.constantFrom<string[]>([], [], ['hash', 'string'], ['list']),
  databases: fc.constantFrom<number[]>([], [], [0], [2]),
  sizeBytesMin: fc.constantFrom(0, 0, 0, 2_000),
  sizeBytesMax: fc.constantFrom(0, 0, 0, 4_000),
  ttlMsMin: fc.constantFrom(0, 0, 5 * hourMs),
  ttlMsMax: fc.constantFrom(0, 0, 5 * hourMs),
  expiry: fc.constantFrom('any', 'any', 'any', 'with', 'without'),
})
const rulesOf: fc.Arbitrary<CopyRules> = fc.record({
  onConflict: fc.constantFrom('skip', 'replace', 'merge', 'merge', 'merge'),
  merge: fc.record({ strings: fc.constantFrom('newer', 'newer', 'source', 'target') }),
  filter: fc.oneof(fc.constant(noFilter), filterOf),
  rename: fc.constantFrom(
    [],
    [],
    [],
    [{ from: 'a:', to: 'b:' }],
    [
      { from: 'a:', to: 'x:' },
      { from: 'a:b:', to: '' },
    ],
    [
      { from: 'a:', to: 'b:' },
      { from: 'b:', to: 'a:' },
    ],
  ),
})

function add(to: ChainableCommander, item: Item, side: string): void {
  const { name, type, count, first } = item
  const numbers = Array.from({ length: count }, (_, n) => n + first)
  if (type === 'string') to.set(name, `${side}${'x'.repeat(count > 5 ? 70_000 : count)}`)
  else if (type === 'list') to.rpush(name, ...numbers.map((n) => `${side}${n}`))
  else if (type === 'set') to.sadd(name, ...numbers.map((n) => `m${n}`))
  else if (type === 'zset') to.zadd(name, ...numbers.flatMap((n) => [(n * 7) % 5, `m${side === 's' ? n : n + 2}`]))
  else if (type === 'hash') to.hset(name, ...numbers.flatMap((n) => [`f${n}`, `${side}${n}`]))
  else to.xadd(name, `${first + 1}-0`, 'f', side)
}

async function fill(server: RedisServer, items: readonly Item[], side: string, withEnds: boolean, nowMs: number): Promise<void> {
  const client = server.client()
  await client.flushall()
  const pipeline = client.pipeline()
  for (const item of items) {
    pipeline.select(item.db)
    add(pipeline, item, side)
    if (withEnds && item.type === 'hash' && item.fieldEnds)
      pipeline.call('HPEXPIREAT', item.name, String(nowMs + 20 * hourMs), 'FIELDS', '1', `f${item.first}`)
    if (item.ttlHours !== null) pipeline.pexpireat(item.name, nowMs + item.ttlHours * hourMs)
  }
  const failed = (await pipeline.exec())?.find(([error]) => error !== null)
  client.disconnect()
  if (failed?.[0]) throw failed[0]
}

/** Reading a value makes it look used, so this comes last. */
async function age(client: Redis, items: readonly Item[]): Promise<Record<string, number>> {
  const idle: Record<string, number> = {}
  for (const { db, name, type, idleSeconds } of items) {
    if (type !== 'string') continue
    await client.select(db)
    const payload = (await client.dumpBuffer(name)) as Buffer
    const endMs = Math.max(0, Number(await client.call('PEXPIRETIME', name)))
    await client.call('RESTORE', name, String(endMs), payload, 'REPLACE', 'ABSTTL', 'IDLETIME', String(idleSeconds))
    idle[`${db}/${name}`] = idleSeconds
  }
  client.disconnect()
  return idle
}

async function copyBy(rules: CopyRules, source: RedisServer, target: RedisServer): Promise<Outcome> {
  const endpoints = { source: parseEndpoint(source.url), target: parseEndpoint(target.url) }
  const alone = await standAlone(endpoints, null, rules)
  try {
    const plan = { ...alone, rules, sweep: false, keeps: false }
    expect(await mayScan(plan)).toBe(true)
    expect(await alone.job.start({ from: 0, below: slotCount }, false)).toBe(true)
    await alone.settled(AbortSignal.timeout(10_000))
    await noteEnd(plan)
    const { account } = alone.job.snapshot()
    const failed = [...alone.store.takeFailed(undefined)]
    expect(failed.filter(({ failure }) => failure !== 'conflict')).toEqual([])
    expect(account).toMatchObject({ exported: failed.length, vanished: 0, waiting: 0 })
    const skipped = Object.fromEntries(Object.entries(alone.skippedByRule ?? {}).filter(([, keys]) => keys > 0))
    expect(Object.values(skipped).reduce((sum, keys) => sum + keys, 0)).toBe(account.skipped)
    return {
      target: heldIn(await fullStateOf(target.port)),
      copied: account.copied,
      failed: failed.map(({ db, key }) => `${db}/${key}`).sort(),
      skipped,
    }
  } finally {
    await alone.stop()
  }
}

const pairs = [
  { from: undefined, to: undefined, ends: false },
  { from: 'redis-8.0', to: 'valkey-8.1', ends: false },
  { from: 'redis-8.0', to: 'valkey-9.1', ends: true },
].filter(({ from, to }) => [from, to].every((engine) => engine === undefined || !engineMissing(engine)))

describe.each(pairs)('from $from to $to', ({ from, to, ends }) => {
  let source: RedisServer
  let target: RedisServer
  const started = (engine: string | undefined): Promise<RedisServer> => startRedis(engine === undefined ? {} : { engine })

  beforeAll(async () => {
    ;[source, target] = await Promise.all([started(from), started(to)])
  })
  afterAll(() => Promise.all([source?.stop(), target?.stop()]))

  async function sidesOf(sourceItems: readonly Item[], targetItems: readonly Item[]): Promise<Sides> {
    const nowMs = Date.now()
    await fill(source, sourceItems, 's', ends, nowMs)
    await fill(target, targetItems, 't', ends, nowMs)
    const before = { source: heldIn(await fullStateOf(source.port)), target: heldIn(await fullStateOf(target.port)) }
    const idle = { source: await age(source.client(), sourceItems), target: await age(target.client(), targetItems) }
    const client = source.client()
    const sizeBytes: Record<string, number> = {}
    for (const { db, name } of sourceItems) {
      await client.select(db)
      sizeBytes[`${db}/${name}`] = Number(await client.call('MEMORY', 'USAGE', name))
    }
    client.disconnect()
    return { ...before, sizeBytes, idle, nowMs }
  }

  it('every rule leaves what the model says', async () => {
    await holdsAsync(
      fc.asyncProperty(sidesItems, rulesOf, async (items, rules) => {
        const sides = await sidesOf(items.source, items.target)
        const expected = modelOf(rules, sides)
        const found = await copyBy(rules, source, target)
        expect(found).toEqual(expected)
        expect(Object.keys(found.target).filter((id) => isTemporaryKey(Buffer.from(id.slice(2))))).toEqual([])
        expect(heldIn(await fullStateOf(source.port))).toEqual(sides.source)
      }),
      runs,
    )
  }, 120_000)
})
