/**
 * Every engine's data to every other engine, by Ferry's own mover: whichever way the two servers allow, nothing differs afterwards. Which way
 * it was is counted by the servers, and the README's table must say the same.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { standAlone } from '../../../src/mover/stand-alone.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { fillEveryShape, fillFieldEnds } from '../../support/every-shape.ts'
import { type FullState, fullStateOf } from '../../support/full-state.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { verified } from '../../support/verified.ts'
import { until } from '../../support/wait.ts'

const wanted = ['redis-7.0', 'redis-8.0', 'valkey-8.0', 'valkey-8.1', 'valkey-9.1']
const withFieldEnds = new Set(['redis-8.0', 'valkey-9.1'])
const engines = wanted.filter((name) => !engineMissing(name))
const pairs = engines.flatMap((source) => engines.map((target) => [source, target] as const))

/** The pending entries' times are told as an idle time by one clock, and set by another. */
const deliveryToleranceMs = 100
/** A batch is under way in each of a few places before the first of them knows what is refused. */
const refusalsMax = 100

const sources = new Map<string, RedisServer>()
const targets = new Map<string, RedisServer>()
const states = new Map<string, FullState>()
/** By `source target`: how the pair went. */
const ways = new Map<string, string>()

beforeAll(async () => {
  await Promise.all(
    engines.map(async (engine) => {
      const [source, target] = await Promise.all([startRedis({ engine }), startRedis({ engine })])
      sources.set(engine, source)
      targets.set(engine, target)
      await fillEveryShape(source.client())
      if (withFieldEnds.has(engine)) await fillFieldEnds(source.client())
      states.set(engine, await fullStateOf(source.port))
    }),
  )
}, 60_000)
afterAll(async () => {
  await Promise.all([...sources.values(), ...targets.values()].map((server) => server.stop()))
})

/** `lost`: how many keys cannot be carried, and are handed over to the error queue. */
async function copyAll(source: RedisServer, target: RedisServer, lost: number): Promise<void> {
  const alone = await standAlone({ source: parseEndpoint(source.url), target: parseEndpoint(target.url) }, null)
  try {
    expect(await alone.job.start({ from: 0, below: 16_384 }, true)).toBe(true)
    // Two batches may meet at a key.
    const isThrough = (): boolean => alone.core.journal.size === 0 && alone.store.countFailed() === lost
    await until(isThrough, { what: 'what met another batch to be copied' })
  } finally {
    await alone.stop()
  }
}

async function callsOf(server: RedisServer, command: string): Promise<{ calls: number; failed: number }> {
  const line = (await server.client().info('commandstats')).match(new RegExp(`cmdstat_${command}:(.*)`))?.[1] ?? ''
  const count = (name: string): number => Number(new RegExp(`(?:^|,)${name}=(\\d+)`).exec(line)?.[1] ?? 0)
  return { calls: count('calls'), failed: count('failed_calls') }
}

const endingFields = ['0/ends', '0/ends-long']

describe.each(pairs)('from %s to %s', (from, to) => {
  it('every type arrives', async () => {
    const [source, target] = [sources.get(from), targets.get(to)] as [RedisServer, RedisServer]
    await target.client().flushall()
    for (const server of [source, target]) await server.client().config('RESETSTAT')
    const lost = withFieldEnds.has(from) && !withFieldEnds.has(to) ? endingFields : []
    await copyAll(source, target, lost.length)

    const expected = states.get(from) as FullState
    const keys = Object.fromEntries(Object.entries(expected.keys).filter(([key]) => !lost.includes(key)))
    const found = await fullStateOf(target.port)
    expect(found.keys).toEqual(keys)
    for (const [entry, atMs] of Object.entries(expected.deliveries))
      expect(Math.abs((found.deliveries[entry] ?? 0) - atMs), entry).toBeLessThan(deliveryToleranceMs)

    expect((await verified(source, target)).map(({ key }) => `0/${key}`).sort()).toEqual(lost)

    const restored = await callsOf(target, 'restore')
    const way = restored.failed === 0 ? '`DUMP`' : 'by type'
    if (way === 'by type') expect(restored.calls).toBe(restored.failed)
    expect(restored.failed).toBeLessThan(refusalsMax)
    ways.set(`${from} ${to}`, way)
  })
})

it.skipIf(engines.length < wanted.length)('the README says which way each pair goes', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const engineOf = (title: string): string => title.toLowerCase().replace(' ', '-')
  const rows = readme
    .split('\n')
    .filter((line) => line.startsWith('| from '))
    .at(0)
  const header = cells(rows ?? '')
    .slice(1)
    .map(engineOf)
  const table = readme
    .split('\n')
    .filter((line) => /^\| (Redis|Valkey) \d/.test(line))
    .map(cells)
  const told = table.flatMap(([from = '', ...way]) => header.map((to, i) => [`${engineOf(from)} ${to}`, way[i]] as const))
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(ways))
})
