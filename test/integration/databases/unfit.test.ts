/** A source that has keys in databases which the target lacks is refused as a whole, before anything is copied. */

import type { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copyRulesSchema } from '../../../src/config/copy-rules-schema.ts'
import { databasesUnfit } from '../../../src/mover/database-fit.ts'
import { standAlone } from '../../../src/mover/stand-alone.ts'
import type { CopyRules } from '../../../src/routing/copy-rules.ts'
import { databaseLayoutOf } from '../../../src/routing/database-layout.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let client: Redis
const cleanups: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis({ args: ['--databases', '1'] })])
  client = source.client()
  for (const db of [0, 2, 5]) {
    await client.select(db)
    await client.set('k', 'v')
    await client.set('l', 'v')
  }
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await Promise.all([source.stop(), target.stop()])
})

const endpoints = (): { source: ReturnType<typeof parseEndpoint>; target: ReturnType<typeof parseEndpoint> } => ({
  source: parseEndpoint(source.url),
  target: parseEndpoint(target.url),
})

test('by a copy without a proxy, with what would help', async () => {
  const alone = await standAlone(endpoints(), null)
  cleanups.push(() => alone.stop())
  const misfits = await alone.misfits()
  expect(misfits.map(({ db, keys }) => [db, keys])).toEqual([
    [2, 2],
    [5, 2],
  ])
  const { message, details } = databasesUnfit(misfits)
  expect(message).toContain('2 (2 keys), 5 (2 keys)')
  expect(details.join()).toContain('target.databases: fold')
  expect(await alone.job.start({ from: 0, below: 16_384 }, true)).toBe(false)
  expect(alone.job.snapshot().lastError).toContain('2 (2 keys), 5 (2 keys)')
  expect(await target.client().dbsize()).toBe(0)
})

test('unless they are left out', async () => {
  const alone = await standAlone(endpoints(), null, null, databaseLayoutOf('0=0,2=none,5=none'))
  cleanups.push(() => alone.stop())
  expect(await alone.misfits()).toEqual([])
  expect(await alone.job.start({ from: 0, below: 16_384 }, true)).toBe(true)
  await alone.settled(AbortSignal.timeout(10_000))
  expect(await target.client().keys('*')).toHaveLength(2)
})

test('nor for those that a filter leaves out', async () => {
  const rulesFor = (databases: number[]): CopyRules => copyRulesSchema.parse({ filter: { databases } })
  const both = await standAlone(endpoints(), null, rulesFor([0, 5]))
  cleanups.push(() => both.stop())
  expect((await both.misfits()).map(({ db }) => db)).toEqual([5])
  expect(await both.job.start({ from: 0, below: 16_384 }, false)).toBe(false)
  expect(both.job.snapshot().lastError).toContain('5 (2 keys)')
  expect(await target.client().dbsize()).toBe(0)
  const one = await standAlone(endpoints(), null, rulesFor([0]))
  cleanups.push(() => one.stop())
  expect(await one.misfits()).toEqual([])
  expect(await one.job.start({ from: 0, below: 16_384 }, false)).toBe(true)
  expect(one.job.snapshot().account).toMatchObject({ scanned: 6, copied: 2, skipped: 4, waiting: 0 })
  expect(await target.client().keys('*')).toHaveLength(2)
})

test('what the target has in databases that the source cannot have is left alone', async () => {
  const larger = await startRedis({ args: ['--databases', '32'] })
  cleanups.push(() => larger.stop())
  const other = larger.client()
  await other.select(20)
  await other.set('mine', '1')
  await other.select(5)
  await other.set('stale', '1')
  const alone = await standAlone({ source: parseEndpoint(source.url), target: parseEndpoint(larger.url) }, null)
  cleanups.push(() => alone.stop())
  expect(await alone.job.start({ from: 0, below: 16_384 }, true)).toBe(true)
  await alone.settled(AbortSignal.timeout(10_000))
  expect((await other.keys('*')).sort()).toEqual(['k', 'l'])
  await other.select(20)
  expect(await other.keys('*')).toEqual(['mine'])
})

test('by the proxy: a blocker, an event, and no copy; once they are gone it goes on', async () => {
  const ferry = await Ferry.start({ source: source.url, target: target.url, phase: 'observe', mover: unthrottled })
  cleanups.push(() => ferry.dispose())
  const blocked = await ferry.untilStatus('the blocker', ({ blockers }) =>
    blockers.some((text) => text.includes('2 (2 keys), 5 (2 keys)')),
  )
  expect(blocked.phase).toBe('observe')
  await expect(ferry.step('start', { strategy: 'big-bang' })).rejects.toThrow(/databases of the source/)
  const events = await (await fetch(`${ferry.controlUrl}/v1/events?follow=false`)).text()
  expect(events).toMatch(/"kind":"databases".*2 \(2 keys\).*target\.databases: fold/)
  for (const db of [2, 5]) {
    await client.select(db)
    await client.flushdb()
  }
  // A client in such a database could write at any time.
  const inside = await WireClient.open(ferry.port)
  await inside.pipeline(['select 5'])
  await expect(ferry.step('start', { strategy: 'big-bang' })).rejects.toThrow(/5 \(used by clients\)/)
  inside.close()
  await ferry.untilStatus('no blocker', ({ blockers }) => blockers.length === 0)
  await ferry.step('start', { strategy: 'big-bang' })
  await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
  expect(await target.client().dbsize()).toBe(2)
  const late = await WireClient.open(ferry.port)
  cleanups.push(async () => late.close())
  expect((await late.pipeline(['select 5'])).join()).toContain('target has no database 5')
})

test('in phase mirror the mover is not started', async () => {
  const ferry = await Ferry.start({ source: source.url, target: target.url, mover: unthrottled })
  cleanups.push(() => ferry.dispose())
  await ferry.untilStatus('the blocker', ({ blockers }) => blockers.some((text) => text.includes('2 (2 keys)')))
  await expect(ferry.post('/v1/mover/start')).rejects.toThrow(/databases-unfit/)
  expect(await target.client().dbsize()).toBe(0)
})
