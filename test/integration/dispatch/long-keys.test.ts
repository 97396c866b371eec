/** Which values are long is found out before they are read: with a script, key by key where there is none, not at all of a small server. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Payload } from '../../../src/dispatch/key-transfer.ts'
import { longKeys } from '../../../src/dispatch/long-keys.ts'
import { isMostlyStrings, noteMix, readStrings } from '../../../src/dispatch/strings-first.ts'
import { readStringsFirst } from '../../../src/dispatch/value-transfer.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { farAwayMs } from '../../support/every-type.ts'
import { laneTo } from '../../support/lane-fixture.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

const longBytes = 100_000
const names = (...some: string[]): Buffer[] => some.map((name) => Buffer.from(name))
const text = (keys: Iterable<Buffer>): string[] => [...keys].map(String).sort()
let server: RedisServer
const lanes: Lane[] = []

async function laneAs(user = ''): Promise<Lane> {
  const { lane, up } = laneTo(
    `redis://${user}127.0.0.1:${server.port}`,
    user === '' ? undefined : { username: 'weak', password: 'pass' },
  )
  lanes.push(lane)
  lane.connect()
  await up()
  return lane
}

const calls = async (name: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(await server.client().info('commandstats'))?.[1] ?? 0)

beforeEach(async () => {
  server = await startRedis()
  const members = Array.from({ length: 5_000 }, (_, n) => `member:${n}`)
  await server
    .client()
    .multi()
    .set('short', 'v')
    .set('string', randomBytes(200_000))
    .sadd('set', ...members)
    .hset('hash', 'f', 'v')
    .exec()
})

afterEach(async () => {
  for (const lane of lanes.splice(0)) lane.close()
  await server.stop()
})

describe('long values', () => {
  it('are found by one script for all keys', async () => {
    const keys = names('short', 'string', 'none', 'set', 'hash')
    expect(text(await longKeys(await laneAs(), 0, keys, longBytes))).toEqual(['set', 'string'])
    expect(await calls('eval')).toBe(1)
  })

  it('are found key by key where the user may run no script, and not at all where it may not ask', async () => {
    await server.client().acl('SETUSER', 'weak', 'on', '>pass', '~*', '+@all', '-@scripting')
    const lane = await laneAs('weak:pass@')
    expect(text(await longKeys(lane, 0, names('short', 'string'), longBytes))).toEqual(['string'])
    await server.client().acl('SETUSER', 'weak', '-memory')
    expect(text(await longKeys(lane, 0, names('short', 'string'), longBytes))).toEqual([])
  })

  it('are not looked for where all values together are none', async () => {
    expect(text(await longKeys(await laneAs(), 0, names('string'), 1 << 30))).toEqual([])
    expect(await calls('eval')).toBe(0)
  })
})

describe('batches of strings', () => {
  it('are read by ranges, with expiries; the others are told apart, and the long ones of them', async () => {
    await server.client().multi().set('ends', 'v', 'PXAT', farAwayMs).set('empty', '').exec()
    const lane = await laneAs()
    const { payloads, long } = await readStringsFirst(
      lane,
      lane,
      0,
      names('ends', 'string', 'none', 'empty', 'hash', 'set'),
      () => false,
      longBytes,
    )
    const shown = payloads.map(({ key, typed, bytes, expiresAtMs }: Payload) => [
      String(key),
      typed?.kind === 'string' ? String(typed.bytes) : (bytes?.[0] ?? null),
      expiresAtMs,
    ])
    expect(shown).toEqual([
      ['ends', 'v', farAwayMs],
      ['none', null, 0],
      ['empty', '', 0],
      ['hash', expect.any(Number), 0],
    ])
    expect(text(long)).toEqual(['set', 'string'])
  })

  it('are taken for such once enough came by, until others do', async () => {
    const lane = await laneAs()
    const strings = Array.from({ length: 512 }, () => ({ bytes: Buffer.from([0]), typed: null })) as unknown as Payload[]
    expect(isMostlyStrings(lane)).toBe(false)
    noteMix(lane, strings)
    expect(isMostlyStrings(lane)).toBe(true)
    const tooLong = { bytes: null, typed: { kind: 'string', sizeBytes: 65_536 } }
    noteMix(lane, Array.from({ length: 10 }, () => tooLong) as unknown as Payload[])
    expect(isMostlyStrings(lane)).toBe(false)
    for (let more = 0; more < 2; more++) noteMix(lane, strings)
    expect(isMostlyStrings(lane)).toBe(true)
    await readStrings(
      lane,
      0,
      Array.from({ length: 20 }, () => Buffer.from('hash')),
    )
    expect(isMostlyStrings(lane)).toBe(false)
  })

  it('are not read like that by a user who may not', async () => {
    await server.client().acl('SETUSER', 'weak', 'on', '>pass', '~*', '+@all', '-getrange')
    const lane = await laneAs('weak:pass@')
    noteMix(lane, Array.from({ length: 512 }, () => ({ bytes: Buffer.from([0]), typed: null })) as unknown as Payload[])
    const { payloads, others } = await readStrings(lane, 0, names('short'))
    expect([payloads, text(others)]).toEqual([[], ['short']])
    expect(isMostlyStrings(lane)).toBe(false)
  })
})
