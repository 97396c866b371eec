/** Long strings that cannot be compressed: dumped once to find out, and read by their type from then on, with whatever lies beside them. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AccessCarry } from '../../../src/dispatch/access-carry.ts'
import { readValues, writeValues } from '../../../src/dispatch/value-transfer.ts'
import { EventLog } from '../../../src/observe/events.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { farAwayMs } from '../../support/every-type.ts'
import { differencesOf } from '../../support/ferry.ts'
import { laneTo } from '../../support/lane-fixture.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

const longBytes = 100_000
const going = (): boolean => false

let source: RedisServer
let target: RedisServer
const lanes: Lane[] = []

beforeEach(async () => {
  target = await startRedis()
})
afterEach(async () => {
  for (const lane of lanes.splice(0)) lane.close()
  await Promise.all([source?.stop(), target.stop()])
})

async function laneUp(port: number): Promise<Lane> {
  const { lane, up } = laneTo(port)
  lanes.push(lane)
  lane.connect()
  await up()
  return lane
}

async function between(carry: AccessCarry | null = null): Promise<(names: readonly string[]) => Promise<(string | null)[]>> {
  const [from, to] = await Promise.all([laneUp(source.port), laneUp(target.port)])
  return async (names) => {
    const keys = names.map((name) => Buffer.from(name))
    return writeValues(from, to, 0, await readValues(from, to, 0, keys, going, undefined, carry))
  }
}

const callsOf = async (server: RedisServer, name: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(await server.client().info('commandstats'))?.[1] ?? 0)

async function fillLong(names: readonly string[], bytes = longBytes): Promise<void> {
  const client = source.client()
  for (const name of names) await client.set(name, randomBytes(bytes))
}

const named = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`)
const none = (count: number): null[] => Array.from({ length: count }, () => null)

it('go by type once they were dumped for nothing; the rest of a batch is dumped, what is gone is deleted', async () => {
  source = await startRedis()
  const [client, copy] = [source.client(), await between()]
  const [first, second] = [named('first', 20), named('second', 20)]
  await fillLong([...first, ...second])
  await client.pexpireat('second3', farAwayMs)
  await client.hset('hash', 'f', 'v')
  await client.set('short', 'v')
  await client.set('empty', '')
  await client.set('longest', randomBytes(3 << 20))
  await target.client().set('gone', 'on the source')
  expect(await copy(first)).toEqual(none(20))
  expect(await callsOf(source, 'dump')).toBe(20)
  const batch = [...second, 'hash', 'short', 'empty', 'longest', 'gone']
  expect(await copy(batch)).toEqual(none(25))
  expect(await callsOf(source, 'dump')).toBe(21)
  expect(await differencesOf(source, target)).toEqual([])
  expect(await target.client().exists('gone')).toBe(0)
})

it('are dumped all the same where it matters how they were used', async () => {
  source = await startRedis()
  const copy = await between(new AccessCarry('IDLETIME', new EventLog(), 1 << 20))
  for (const names of [named('first', 10), named('second', 10)]) {
    await fillLong(names)
    expect(await copy(names)).toEqual(none(10))
  }
  expect(await callsOf(source, 'dump')).toBe(20)
})

it('what can be compressed goes on as it is dumped', async () => {
  source = await startRedis()
  const copy = await between()
  const names = named('text', 10)
  for (const name of names) await source.client().set(name, `${name} and so on `.repeat(10_000))
  await copy(names)
  await copy(names)
  expect(await callsOf(source, 'dump')).toBe(20)
  expect(await differencesOf(source, target)).toEqual([])
})

it('no longer once the strings are short again', async () => {
  source = await startRedis()
  const copy = await between()
  await fillLong(named('long', 4))
  await fillLong(named('short', 10), 10)
  await copy(named('long', 4))
  for (let round = 0; round < 3; round++) await copy(named('short', 10))
  expect(await callsOf(source, 'dump')).toBe(4 + 20)
  expect(await differencesOf(source, target)).toEqual([])
})

it.skipIf(engineMissing('redis-8.0'))(
  'between servers that take no payloads: each is read once, and more than one batch may take in windows',
  async () => {
    source = await startRedis({ engine: 'redis-8.0' })
    const copy = await between()
    const names = named('long', 30)
    await fillLong(names)
    await copy(names)
    await source.client().config('RESETSTAT')
    expect(await copy(names)).toEqual(none(30))
    expect(await callsOf(source, 'getrange')).toBe(0)
    expect(await callsOf(source, 'get')).toBe(30)
    const large = named('large', 20)
    await fillLong(large, 1_000_000)
    expect(await copy(large)).toEqual(none(20))
    expect(await callsOf(source, 'get')).toBe(30 + 16)
    expect(await differencesOf(source, target)).toEqual([])
  },
)
