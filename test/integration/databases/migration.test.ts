/**
 * A source with several databases and a target that has others: everything is copied under load, the target takes over, and gives back.
 * In the end both sides hold the same, each in its own numbering.
 */
import { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import { Random } from '../../../src/demo/random.ts'
import { clusterStateOf } from '../../support/cluster-state.ts'
import { Ferry } from '../../support/ferry.ts'
import { type FullState, fullStateOf } from '../../support/full-state.ts'
import { startCluster } from '../../support/redis-cluster.ts'
import { engineMissing, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'

const dbs = [0, 1, 3, 9]
const keysPerDb = 150
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Target {
  readonly url: string
  state(): Promise<FullState>
}

async function singleTarget(...args: string[]): Promise<Target> {
  const server = await startRedis({ args })
  cleanups.push(() => server.stop())
  return { url: server.url, state: () => fullStateOf(server.port) }
}

async function clusterTarget(): Promise<Target> {
  const cluster = await startCluster({ primaries: 3 })
  cleanups.push(() => cluster.stop())
  return { url: cluster.url, state: () => clusterStateOf(cluster) }
}

async function fill(port: number): Promise<void> {
  const client = new Redis({ port })
  for (const db of dbs) {
    await client.select(db)
    const pipe = client.pipeline()
    for (let i = 0; i < keysPerDb; i++) {
      pipe
        .set(`s:${i}`, `${db}`)
        .rpush(`l:${i}`, 'a', 'b')
        .hset(`h:${i}`, 'f', `${db}`)
        .zadd(`z:${i}`, i, 'm')
        .xadd(`x:${i}`, '*', 'f', 'v')
    }
    await pipe.exec()
  }
  client.disconnect()
}

/** Writes in one database; now and then a key goes to another one. */
async function load(port: number, db: number, seed: number, over: () => boolean): Promise<string[]> {
  const random = new Random(seed)
  const client = new Redis({ port, db, maxRetriesPerRequest: 0 })
  const errors: string[] = []
  const key = (kind: string): string => `${kind}:${random.below(keysPerDb)}`
  const tagged = (): string => `{t}:${random.below(20)}`
  const other = (): string => String(random.pick(dbs.filter((one) => one !== db)))
  const writes: (() => Promise<unknown>)[] = [
    () => client.set(key('s'), String(random.below(1_000))),
    () => client.incr(key('n')),
    () => client.get(key('s')),
    () => client.mset(key('s'), '1', key('s'), '2'),
    () => client.del(key('s'), key('h')),
    () => client.hset(key('h'), `f${random.below(20)}`, '1'),
    () => client.rpush(key('l'), 'x'),
    () => client.lpop(key('l')),
    () => client.sadd(key('m'), String(random.below(50))),
    () => client.spop(key('m')),
    () => client.expire(key('s'), random.between(100, 200)),
    () => client.pexpire(key('m'), random.between(50, 500)),
    () => client.xadd(key('x'), '*', 'f', 'v'),
    () => client.rename(tagged(), tagged()).catch(() => undefined),
    () => client.set(tagged(), 'x'),
    () => client.multi().incr('{block}1').rpush('{block}2', 'x').exec(),
    () => client.eval("return redis.call('INCRBY', KEYS[1], 3)", 1, key('n')),
    () => client.move(tagged(), Number(other())),
    () => client.copy(tagged(), tagged(), 'DB', other(), 'REPLACE'),
    () => client.lmpop(1, key('l'), 'LEFT'),
  ]
  while (!over()) {
    const some = Array.from({ length: 20 }, () => random.pick(writes)())
    for (const outcome of await Promise.allSettled(some)) if (outcome.status === 'rejected') errors.push(String(outcome.reason))
  }
  client.disconnect()
  return errors
}

async function scanned(client: Redis, match: string): Promise<Set<string>> {
  const keys = new Set<string>()
  let cursor = '0'
  do {
    const [next, page] = await client.scan(cursor, 'MATCH', match, 'COUNT', 100)
    for (const key of page) keys.add(key)
    cursor = next
  } while (cursor !== '0')
  return keys
}

/** The target's keys by the source's databases. */
function translated(state: FullState, nameOf: (db: number, name: string) => string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(state.keys).map(([path, value]) => {
      const slash = path.indexOf('/')
      return [nameOf(Number(path.slice(0, slash)), path.slice(slash + 1)), value]
    }),
  )
}

const unfolded = (_db: number, name: string): string => {
  const found = /^db(\d+):(.*)$/s.exec(name)
  return found === null ? `0/${name}` : `${found[1]}/${found[2]}`
}

function differences(here: Record<string, unknown>, there: Record<string, unknown>): string[] {
  const nowMs = Date.now()
  return [...new Set([...Object.keys(here), ...Object.keys(there)])].flatMap((name) => {
    const pair = [here[name], there[name]].map((value) => value as { expiresAtMs: number } | undefined)
    // -2: it ran out while it was looked at.
    const ended = pair.some(
      (value) => value?.expiresAtMs === -2 || (value !== undefined && value.expiresAtMs > 0 && value.expiresAtMs <= nowMs),
    )
    const [text, other] = pair.map((value) => JSON.stringify(value))
    return ended || text === other ? [] : [`${name}: ${text?.slice(0, 200)} on the source, ${other?.slice(0, 200)} on the target`]
  })
}

const map = { '0': 4, '1': 0, '3': 3, '9': 1, '2': 2, '4': 7 } as const
const toSource = new Map(Object.entries(map).map(([from, to]) => [to as number, from]))
type Case = readonly [
  string,
  string | Record<string, number>,
  () => Promise<Target>,
  (db: number, name: string) => string,
  string | undefined,
]
const newer = 'redis-8.0'
const cases: readonly Case[] = [
  ['others of a server', map, () => singleTarget(), (db, name) => `${toSource.get(db) ?? `unmapped ${db}`}/${name}`, undefined],
  ['the only one of a server', 'fold', () => singleTarget('--databases', '1'), unfolded, undefined],
  ['the only one of a cluster', 'fold', () => clusterTarget(), unfolded, undefined],
  // It does not take the source's payloads: values are copied by their types.
  ['the only one of an older cluster', 'fold', () => clusterTarget(), unfolded, newer],
]

describe.each(cases)('databases into %s', (_, databases, openTarget, nameOf, engine) => {
  test.skipIf(engine !== undefined && engineMissing(engine))('and back, losing nothing', { timeout: 90_000 }, async () => {
    const seed = Date.now() % 1_000_000
    const [source, target] = await Promise.all([startRedis(engine === undefined ? {} : { engine }), openTarget()])
    cleanups.push(() => source.stop())
    await fill(source.port)
    const ferry = await Ferry.start({ source: source.url, target: { url: target.url, databases }, mover: unthrottled })
    cleanups.push(() => ferry.dispose())
    let over = false
    const loads = dbs.map((db) => load(ferry.port, db, seed + db, () => over))
    await ferry.backfill(30_000)
    await ferry.step('ramp', { percent: 40 })
    await ferry.untilStatus('few keys to be left', ({ journal }) => journal.dirtyKeys < 50)
    await ferry.step('cutover')
    await new Promise((resolve) => setTimeout(resolve, 500))
    const reader = new Redis({ port: ferry.port })
    cleanups.push(async () => reader.disconnect())
    for (const db of dbs) {
      await reader.select(db)
      expect(await reader.dbsize()).toBeGreaterThan(keysPerDb * 2)
      expect((await reader.keys('x:*')).length).toBe(keysPerDb)
      expect((await scanned(reader, 'z:*')).size).toBe(keysPerDb)
      expect(await reader.hget('h:nothing', 'f')).toBe(null)
    }
    await ferry.step('rollback', { to: 'mirror' })
    await new Promise((resolve) => setTimeout(resolve, 300))
    over = true
    expect((await Promise.all(loads)).flat(), `seed ${seed}`).toEqual([])
    await ferry.untilSettled()
    const [here, there] = await Promise.all([fullStateOf(source.port), target.state()])
    expect(Object.keys(here.keys).length).toBeGreaterThan(dbs.length * keysPerDb * 3)
    expect(differences(here.keys, translated(there, nameOf)), `seed ${seed}`).toEqual([])
  })
})
