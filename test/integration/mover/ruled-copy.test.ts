/** What a copy by rules does where something comes in between, and that it costs nothing where there are no rules. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { copyRulesSchema } from '../../../src/config/copy-rules-schema.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { readPayloads } from '../../../src/dispatch/key-transfer.ts'
import { placeIsTaken, writeNewValues } from '../../../src/dispatch/new-values.ts'
import type { Passage } from '../../../src/dispatch/typed/passage.ts'
import { PayloadRoute } from '../../../src/dispatch/typed/payload-route.ts'
import { isTemporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { readTyped } from '../../../src/dispatch/typed/typed-read.ts'
import type { KeyEnds } from '../../../src/mover/key-end.ts'
import { appendLists } from '../../../src/mover/list-append.ts'
import { RuledCopy } from '../../../src/mover/ruled-copy.ts'
import { standAlone } from '../../../src/mover/stand-alone.ts'
import { buildParts } from '../../../src/process/parts.ts'
import { slotCount } from '../../../src/routing/slot.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { laneTo } from '../../support/lane-fixture.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

const copyId = '0123456789ab'
const key = (name: string): Buffer => Buffer.from(name)
const names = ['string', 'long-string', 'list', 'long-list', 'hash', 'stream']

let source: RedisServer
let target: RedisServer
let from: Lane
let to: Lane

async function laneUp(server: RedisServer): Promise<Lane> {
  const { lane, up } = laneTo(server.port)
  lane.connect()
  await up()
  return lane
}

beforeEach(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  from = await laneUp(source)
  to = await laneUp(target)
  const fill = source.client().pipeline()
  fill.set('string', 's').set('long-string', 'x'.repeat(100_000)).rpush('list', 'a', 'b')
  fill.rpush('long-list', ...Array.from({ length: 2_500 }, (_, n) => n))
  fill.hset('hash', 'f', 'v').xadd('stream', '1-1', 'f', 'v')
  for (const name of names) fill.pexpire(name, 600_000)
  await fill.exec()
})
afterEach(async () => {
  from.close()
  to.close()
  await Promise.all([source.stop(), target.stop()])
})

const passage = (): Passage => ({
  from,
  to,
  db: 0,
  route: new PayloadRoute(from, to),
  windows: null,
  stopped: () => false,
  placeOf: (name) => name,
})
const ways = {
  'as payloads': () => readPayloads(from, 0, names.map(key)),
  'by type': () => readTyped(passage(), names.map(key)),
}
const temporaryKeys = async (): Promise<Buffer[]> => (await target.client().keysBuffer('*')).filter(isTemporaryKey)

it.each(Object.entries(ways))(
  '%s: what is there already is never overwritten, and what is not arrives whole',
  async (_, read) => {
    for (const name of names) await target.client().set(name, 'mine', 'PX', 50_000)
    expect(await writeNewValues(from, to, 0, await read())).toEqual(names.map(() => placeIsTaken))
    expect(await target.client().mget(...names)).toEqual(names.map(() => 'mine'))
    for (const name of names) expect(await target.client().pttl(name)).toBeLessThan(50_001)
    expect(await temporaryKeys()).toEqual([])

    await target.client().flushall()
    expect(await writeNewValues(from, to, 0, await read())).toEqual(names.map(() => null))
    const [here, there] = [source.client(), target.client()]
    for (const name of names) {
      expect(await there.call('PEXPIRETIME', name)).toBe(await here.call('PEXPIRETIME', name))
      expect(await there.type(name)).toBe(await here.type(name))
    }
    expect(await there.lrange('long-list', 0, -1)).toEqual(await here.lrange('long-list', 0, -1))
    expect(await there.get('long-string')).toBe(await here.get('long-string'))
    expect(await temporaryKeys()).toEqual([])
  },
)

it('a list that comes by twice is appended once, and gets the end of the source only where the target had none', async () => {
  await target.client().rpush('list', 't')
  const rules = new RuledCopy(copyRulesSchema.parse({ onConflict: 'merge' }), copyId, 1 << 20)
  for (const _ of [1, 2]) {
    const ends: KeyEnds = new Map()
    const keys = [key('list'), key('long-list')]
    await rules.carry(from, to, 0, keys, ends)
    expect(keys.map((name) => ends.get(name)?.kind)).toEqual(['copied', 'copied'])
  }
  expect(await target.client().lrange('list', 0, -1)).toEqual(['t', 'a', 'b'])
  expect(await target.client().llen('long-list')).toBe(2_500)
  expect(await target.client().pttl('list')).toBe(-1)
  expect(await target.client().pttl('long-list')).toBeGreaterThan(0)
})

it('a list whose elements were refused is not taken for appended', async () => {
  const append = async (isThere: boolean): Promise<string | undefined> => {
    const ends: KeyEnds = new Map()
    const list = key('list')
    await appendLists(passage(), copyId, [{ key: list, place: list, isThere }], ends)
    return ends.get(list)?.kind
  }
  // It has become another type since it was asked for.
  await target.client().set('list', 'mine')
  expect(await append(true)).toBe('failed')
  await target.client().del('list')
  expect(await append(false)).toBe('copied')
  expect(await target.client().lrange('list', 0, -1)).toEqual(['a', 'b'])
})

it.each(['source', 'target'] as const)(
  'connections to the %s that are cut all the time change nothing in what is merged',
  async (side) => {
    const proxy = await ChaosProxy.start(side === 'source' ? source.port : target.port)
    const fill = source.client().pipeline()
    const own = target.client().pipeline()
    const elements = (n: number): string[] => Array.from({ length: n % 20 === 0 ? 20_000 : 5 }, (_, i) => `s${i}`)
    for (let n = 0; n < 200; n++) {
      fill.rpush(`l${n}`, ...elements(n)).sadd(`s${n}`, ...elements(n))
      if (n % 2 === 0) own.rpush(`l${n}`, 't')
    }
    await Promise.all([fill.exec(), own.exec()])
    const urls = { source: source.url, target: target.url, [side]: proxy.url }
    const alone = await standAlone(
      { source: parseEndpoint(urls.source), target: parseEndpoint(urls.target) },
      null,
      copyRulesSchema.parse({ onConflict: 'merge', filter: { include: ['l*', 's[0-9]*'], exclude: ['list', 'long*'] } }),
    )
    try {
      alone.job.setLimits({ keysPerSecondMax: 800 })
      const cuts = setInterval(() => proxy.cut(), 60)
      const through = await alone.job.start({ from: 0, below: slotCount }, false)
      clearInterval(cuts)
      expect(through).toBe(true)
      await alone.settled(AbortSignal.timeout(20_000))
      expect(alone.store.countFailed()).toBe(0)
      expect(alone.job.snapshot().keysRetried).toBeGreaterThan(0)
    } finally {
      await alone.stop()
      await proxy.stop()
    }
    const there = target.client()
    for (let n = 0; n < 200; n++) {
      expect(await there.lrange(`l${n}`, 0, -1)).toEqual([...(n % 2 === 0 ? ['t'] : []), ...elements(n)])
      expect(await there.scard(`s${n}`)).toBe(elements(n).length)
    }
  },
)

it('without rules not one question more is asked', async () => {
  const alone = await standAlone(
    { source: parseEndpoint(source.url), target: parseEndpoint(target.url) },
    null,
    copyRulesSchema.parse({ onConflict: 'replace' }),
  )
  expect(await alone.job.start({ from: 0, below: slotCount }, false)).toBe(true)
  await alone.stop()
  expect(await target.client().dbsize()).toBe(names.length)
  for (const server of [source, target]) {
    const calls = await server.client().info('commandstats')
    expect(calls).not.toMatch(/cmdstat_(type|exists|pttl|memory\|usage|object\|idletime|hmget):/)
  }
})

it('ferry serve, which keeps both sides equal, takes no rule that would leave them different', () => {
  const config = loadConfig({ env: {}, flags: { source: source.url, target: target.url, state: ':memory:' } })
  const parts = (copy: object) => () => buildParts({ ...config, copy: copyRulesSchema.parse(copy) }, () => [])
  expect(parts({ onConflict: 'skip' })).toThrow(/copy: ferry serve keeps both sides equal.*onConflict: skip/)
  expect(parts({ filter: { include: ['a'] } })).toThrow(/filter/)
  expect(parts({ rename: [{ from: 'a', to: 'b' }] })).toThrow(/rename/)
  expect(parts({ onConflict: 'replace' })).not.toThrow()
})
