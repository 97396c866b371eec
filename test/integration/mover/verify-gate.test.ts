/** Verifications of a running Ferry: their age as a gate, a repair under live writes, one that is stopped and gone on with. */
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import type { MigrationAnswer, StatusDocument, VerifyReport } from '../../../src/control/schemas.ts'
import { differencesOf, Ferry, type FerrySettings } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { until } from '../../support/wait.ts'

const patient = { timeoutMs: 60_000 }
let servers: RedisServer[] = []
let ferry: Ferry

async function open(settings: Omit<FerrySettings, 'source' | 'target'> = {}): Promise<[RedisServer, RedisServer]> {
  const pair: [RedisServer, RedisServer] = [await startRedis(), await startRedis()]
  servers = pair
  const fill = pair[0].client().pipeline()
  for (let n = 0; n < 5_000; n++) fill.set(`key:${n}`, n)
  await fill.exec()
  ferry = await Ferry.start({ source: pair[0].url, target: pair[1].url, mover: unthrottled, ...settings })
  return pair
}

afterEach(async () => {
  await ferry.stop()
  for (const server of servers) await server.stop()
})

async function ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const init =
    method === 'GET' ? {} : { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) }
  return (await (await fetch(ferry.controlUrl + path, init)).json()) as Answer
}

const status = () => ask<StatusDocument>('GET', '/v1/status')
const blockersOf = async (step: string, body: object = {}) =>
  (await ask<MigrationAnswer>('POST', `/v1/migration/${step}`, { dryRun: true, ...body })).blockers

async function verify(request: object = {}): Promise<VerifyReport> {
  const { id } = await ask<VerifyReport>('POST', '/v1/verify', request)
  await until(async () => (await ask<VerifyReport>('GET', `/v1/verify/${id}`)).state !== 'running', patient)
  return ask('GET', `/v1/verify/${id}`)
}

async function copy(): Promise<void> {
  await ask('POST', '/v1/mover/start')
  await until(async () => (await status()).mover.state === 'done', patient)
}

describe('the age of a verification', { timeout: 120_000 }, () => {
  it('holds back the steps to the target, and is told with its limit', async () => {
    const [, target] = await open({ gates: { verificationMaxAgeMs: 4_000 } })
    await copy()
    expect(await blockersOf('cutover')).toEqual([expect.stringMatching(/never verified in full.*allows 4 s/)])
    expect(await blockersOf('ramp', { percent: 10 })).toHaveLength(1)
    expect((await status()).blockers).toHaveLength(1)
    await verify({ samplePercent: 50 })
    expect(await blockersOf('cutover')).toEqual([expect.stringMatching(/never verified in full/)])

    await target.client().set('key:1', 'other')
    await verify()
    expect(await blockersOf('cutover')).toEqual([expect.stringMatching(/left 1 differences.*--repair/)])
    expect((await verify({ repair: true })).repaired).toBe(1)
    // On a machine that others keep busy one may be too old as soon as it ends.
    await until(async () => (await verify()).state === 'done' && (await blockersOf('cutover')).length === 0, patient)
    expect((await status()).verification).toMatchObject({ differences: 0, maxAgeSeconds: 4, ageSeconds: expect.any(Number) })

    await until(async () => (await blockersOf('cutover')).length === 1, patient)
    expect(await blockersOf('cutover')).toEqual([expect.stringMatching(/began \d(\.\d)? s ago, .* allows 4 s/)])
    const refused = await ask<{ code: string; errors: string[] }>('POST', '/v1/migration/cutover', {})
    expect([refused.code, refused.errors]).toEqual(['blocked', [expect.stringMatching(/allows 4 s/)]])
    await until(async () => {
      await verify()
      return (await ask<MigrationAnswer>('POST', '/v1/migration/cutover', {})).applied
    }, patient)
  })

  it('counts for nothing after everything was in doubt', async () => {
    await open({ gates: { verificationMaxAgeMs: 600_000 } })
    await copy()
    await verify()
    expect(await blockersOf('cutover')).toEqual([])
    await ask('POST', '/v1/migration/rollback', { to: 'observe' })
    await ask('POST', '/v1/migration/start', { strategy: 'big-bang' })
    await copy()
    expect(await blockersOf('cutover')).toEqual([expect.stringMatching(/in doubt since the last verification began/)])
    await verify()
    expect(await blockersOf('cutover')).toEqual([])
  })
})

describe('a verification of a running Ferry', { timeout: 120_000 }, () => {
  it('mends what differs while clients write the same keys', async () => {
    const [source, target] = await open()
    await copy()
    const client = new Redis(ferry.port, '127.0.0.1')
    const broken = target.client().pipeline()
    for (let n = 0; n < 1_000; n++) broken.set(`key:${n * 2}`, 'broken')
    await broken.del('key:1').set('extra', '1').exec()
    let writing = true
    const writes = (async () => {
      for (let n = 0; writing; n++) await client.append(`key:${n % 100}`, '.')
    })()
    const report = await verify({ repair: true, rounds: 3, settleMs: 50 })
    writing = false
    await writes
    // Keys that clients wrote meanwhile may have been mended by that.
    expect(report.extra + report.missing + report.differences).toBeGreaterThan(900)
    await until(async () => (await status()).journal.dirtyKeys === 0, patient)
    expect(await differencesOf(source, target)).toEqual([])
    client.disconnect()
  })

  it('is stopped by a call, and gone on with by the next process', async () => {
    await open()
    await copy()
    const { id } = await ask<VerifyReport>('POST', '/v1/verify', { keysPerSecondMax: 1_500 })
    await until(async () => (await ask<VerifyReport>('GET', `/v1/verify/${id}`)).keysCompared >= 2_000, patient)
    const stopped = await ask<VerifyReport>('POST', `/v1/verify/${id}/stop`)
    expect([stopped.state, stopped.error]).toEqual(['failed', 'the verification was stopped'])
    expect((await status()).verification.at).toBeNull()
    await ferry.restart()
    const report = await verify({ resume: true })
    expect(report.resumed).toMatch(/^after [1-9]\d* keys/)
    expect(report.keysCompared).toBe(5_000)
    expect(report.startedAt).toBe(stopped.startedAt)
    expect((await status()).verification.differences).toBe(0)
  })
})
