/**
 * Ferry ends in the middle of the backfill, under load, and is started again.
 *
 * In order (SIGTERM): clients lose their connection and nothing that was acknowledged; the copy goes on where it was, not from the start.
 * By SIGKILL: it goes on from there as well (killed-in-backfill has more of that), and what the source has not any more is removed from the
 * target in the end.
 * Source and target are equal in the end, and hold what the clients were acknowledged.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { Stage } from '../../support/stage.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { WireClient } from '../../support/wire-client.ts'

const keys = 2_400
let stage: Stage

afterEach(async () => {
  await stage?.close()
})

/** A backfill of some seconds that is a third through, with the load beside it, and `more` keys that the load leaves alone. */
async function underWay(more = 0): Promise<number> {
  stage = await Stage.open({ keys, ferry: { mover: { ...unthrottled, keysPerSecondMax: 1_000, batchKeys: 100 } } })
  for (let i = 0; i < more; i++) await stage.source.client().hset(`quiet:${i}`, 'f', i)
  await stage.startLoad(400)
  await stage.ferry.post('/v1/mover/start')
  await stage.ferry.untilStatus('a third to be copied', ({ mover: { keysScanned } }) => keysScanned > keys / 3)
  const { mover } = await stage.ferry.untilStatus('the rate limit to hold it back', (status) => status.mover.throttle !== null)
  expect(mover).toMatchObject({ state: 'running', pass: 'copy', throttle: 'limited to 1000 keys/s' })
  return mover.keysScanned
}

async function finished(): Promise<void> {
  await stage.ferry.mover({ keysPerSecondMax: 0 })
  await stage.ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
  await stage.stopLoad()
  const { journal } = await stage.ferry.untilSettled()
  expect(journal).toMatchObject({ dirtyKeys: 0, failed: 0, resyncNeeded: null })
  // A process that was killed may leave a temporary name behind, which ends by itself.
  expect((await stage.wrong()).filter((line) => !line.includes(' ferry:copy:{'))).toEqual([])
}

describe('a backfill under load', () => {
  it('goes on from its checkpoint after a stop in order', async () => {
    const scanned = await underWay()
    // Until now, nobody saw an error.
    expect(stage.seen().errors).toEqual([])
    const startMs = performance.now()
    await stage.ferry.stop()
    // Clients that stay connected do not hold it up.
    expect(performance.now() - startMs).toBeLessThan(800)
    const before = await stage.source.client().dbsize()
    await stage.ferry.restart()
    const { mover, journal, coveragePercent } = await stage.ferry.status()
    expect(mover.state).toBe('running')
    expect(mover.keysScanned).toBeGreaterThan(scanned / 2)
    expect(journal.resyncNeeded).toBeNull()
    expect(coveragePercent).toBe(0)
    await finished()
    const { keysCopied } = (await stage.ferry.status()).mover
    // What was copied before the stop was not copied again.
    expect(keysCopied).toBeLessThan(before - scanned / 2)
  })

  it('goes on by itself after a crash, and removes from the target what is gone from the source', async () => {
    const scanned = await underWay(200)
    await stage.ferry.kill9()
    await stage.stopLoad()
    // While nobody was there to see it. Not of keys that are written to again: both sides may answer that alike.
    const [source, target] = [stage.source.client(), stage.target.client()]
    const gone = (await target.keys('quiet:*')).slice(0, 20)
    expect(gone).toHaveLength(20)
    await source.del(...gone)
    await target.set('extra', 'on the target only')
    await stage.ferry.restart()
    const { journal, coveragePercent, mover } = await stage.ferry.status()
    expect(journal.resyncNeeded).toBeNull()
    expect(coveragePercent).toBe(0)
    expect(mover.state).toBe('running')
    expect(mover.keysScanned).toBeGreaterThan(scanned / 2)
    await stage.startLoad(400)
    await finished()
    expect(await target.exists('extra')).toBe(0)
    expect(await target.exists(...gone)).toBe(0)
  })

  it('does not skip what was copied before everything came into doubt', async () => {
    stage = await Stage.open({ keys: 1_200, ferry: { mover: { keysPerSecondMax: 1_200, batchKeys: 100 } } })
    await stage.ferry.post('/v1/mover/start')
    await stage.ferry.untilStatus('a part to be copied', ({ mover }) => mover.keysScanned > 600)
    const copied = (await stage.target.client().keys('demo:string:*')).slice(0, 20)
    expect(copied).toHaveLength(20)
    // Past Ferry: nothing but a copy of everything finds these.
    await stage.source.client().mset(Object.fromEntries(copied.map((key) => [key, 'changed'])))
    const through = await WireClient.open(stage.ferry.port)
    // Of databases with nothing in them; but a scan under way could have missed what is swapped.
    expect(await through.ask('SWAPDB 1 2')).toBe('+OK\r\n')
    through.close()
    await stage.ferry.untilStatus('the doubt', ({ journal }) => journal.resyncNeeded !== null)
    await stage.ferry.restart()
    await finished()
    expect(await stage.target.client().mget(...copied)).toEqual(copied.map(() => 'changed'))
  })
})
