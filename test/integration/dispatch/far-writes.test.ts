/**
 * Writes far into strings that the target does not have yet. The client: gets the source's reply. The source: has run them. The target: is not
 * made to fill up what is missing, and has the same in the end.
 */
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { farBytes } from '../../../src/dispatch/far-write.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { until } from '../../support/wait.ts'
import { WireClient } from '../../support/wire-client.ts'

const far = 2 * farBytes
let source: RedisServer
let target: RedisServer
let ferry: Ferry
let client: WireClient

beforeEach(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  await source.client().setrange('long', far, 'end')
  await source.client().setrange('bits', far, 'end')
  ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled })
  client = await WireClient.open(ferry.port)
})
afterEach(async () => {
  client.close()
  await ferry.dispose()
  await Promise.all([source.stop(), target.stop()])
})

const calls = async (server: Redis, name: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(await server.info('commandstats'))?.[1] ?? 0)

const settled = async (): Promise<void> => {
  await ferry.untilSettled(20_000)
  expect(await differencesOf(source, target)).toEqual([])
}

const settledBoth = async (): Promise<void> => {
  await ferry.backfill()
  await settled()
}

it('are kept from a target that would have to fill them up, which gets a copy', async () => {
  expect(
    await client.pipeline(
      [`SETRANGE long ${far} END`, `SETBIT bits ${(far - 9) * 8} 1`, `BITFIELD new SET u8 ${far * 8} 7`, 'SETRANGE near 5 x'],
      5_000,
    ),
  ).toEqual([`:${far + 3}\r\n`, ':0\r\n', '*1\r\n:0\r\n', ':6\r\n'])
  await ferry.untilStatus('the keys to be copied', ({ journal }) => journal.healed >= 3 && journal.dirtyKeys === 0)
  const there = target.client()
  for (const name of ['setbit', 'bitfield']) expect(await calls(there, name)).toBe(0)
  expect(await calls(there, 'setrange')).toBe(1)
  await ferry.backfill()
  await settled()
})

it('keep their place among the writes of their key', async () => {
  const lines = Array.from({ length: 40 }, (_, n) => [
    `SETRANGE k ${far + n} a${n}`,
    `APPEND k b${n}`,
    `SETBIT k ${far * 8 - n} 1`,
    n % 7 === 3 ? 'SET k short' : `SETRANGE k ${n} c${n}`,
    n % 11 === 5 ? 'DEL k' : 'STRLEN k',
  ]).flat()
  for (const reply of await client.pipeline(lines, 20_000)) expect(reply).not.toMatch(/^-/)
  await settledBoth()
})

it('go to a target that has the string, and are not asked about once everything is copied', async () => {
  await target.client().setrange('there', far, 'x')
  await source.client().setrange('there', far, 'x')
  await client.pipeline([`SETRANGE there ${far} y`], 5_000)
  // The client had its reply from the source.
  await until(async () => (await target.client().getrange('there', far, -1)) === 'y', { what: 'the write to reach the target' })
  await ferry.backfill()
  await ferry.untilSettled(20_000)
  const asked = await calls(target.client(), 'strlen')
  await client.pipeline([`SETRANGE there ${far} z`, `SETRANGE more ${far} z`], 5_000)
  await settled()
  expect(await calls(target.client(), 'setrange')).toBe(4)
  expect(await calls(target.client(), 'strlen')).toBe(asked)
})

it('are answered where the key is no string, and while the target says nothing', async () => {
  await source.client().rpush('list', 'a')
  expect(await client.pipeline([`SETRANGE list ${far} x`], 5_000)).toEqual([expect.stringMatching(/^-WRONGTYPE/)])
  target.freeze()
  expect(await client.pipeline([`SETRANGE long ${far} out`], 5_000)).toEqual([`:${far + 3}\r\n`])
  await ferry.untilStatus('the target to be given up', ({ target: { state } }) => state === 'down')
  target.thaw()
  await settledBoth()
})
