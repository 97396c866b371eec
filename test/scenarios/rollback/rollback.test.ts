/**
 * The way back, from every phase, in one call, under load.
 *
 * Clients: no error and no read that is older than their own write, whatever the phase.
 * Source and target: equal afterwards where both are there; where the target is dead, the source has everything that it was given, and
 * what only the target had stays in the journal until it can be fetched.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Stage, type StageSettings } from '../../support/stage.ts'
import { until } from '../../support/wait.ts'
import { WireClient } from '../../support/wire-client.ts'

let stage: Stage
let dir: string | null = null

afterEach(async () => {
  await stage?.close()
  if (dir !== null) await rm(dir, { recursive: true, force: true })
  dir = null
})

async function open(settings: StageSettings = {}): Promise<void> {
  stage = await Stage.open({ keys: 800, ...settings, ferry: { phase: 'observe', ...settings.ferry } })
}

const worked = async (commands = 250): Promise<void> => {
  const before = stage.seen().commands
  await until(() => stage.seen().commands >= before + commands, { timeoutMs: 10_000, what: 'the load to go on' })
}

async function equal(): Promise<void> {
  await stage.ferry.untilSettled()
  expect(await stage.wrong()).toEqual([])
}

describe('rollback under load', () => {
  it('leads back from mirror, canary, cutover and complete without an error', async () => {
    await open()
    const { ferry } = stage
    await stage.startLoad(1_200)
    await worked()

    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    let { status } = await ferry.step('rollback', { reason: 'from mirror' })
    expect(status).toMatchObject({ phase: 'observe', state: 'rolled_back', authority: 'source', coveragePercent: 0 })
    await worked()

    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    await ferry.step('ramp', { percent: 60 })
    await worked()
    ;({ status } = await ferry.step('rollback', { reason: 'from canary' }))
    expect(status).toMatchObject({ phase: 'mirror', authority: 'source', traffic: { readMode: 'old', readPercentage: 0 } })
    await worked()

    await ferry.step('cutover')
    await worked()
    ;({ status } = await ferry.step('rollback', { reason: 'from cutover' }))
    expect(status).toMatchObject({ phase: 'mirror', authority: 'source', traffic: { writePolicy: 'old-authoritative' } })
    await worked()
    await stage.stopLoad()
    await equal()

    await stage.startLoad(1_200)
    await ferry.step('cutover')
    await ferry.step('complete')
    await worked()
    ;({ status } = await ferry.step('rollback', { reason: 'from complete' }))
    expect(status.phase).toBe('cutover')
    await ferry.untilStatus('the source to have everything and to be the authority', (now) => now.phase === 'mirror')
    await worked()
    const { errors } = await stage.stopLoad()
    expect(errors).toEqual([])
    expect((await ferry.status()).clientErrorsTotal).toBe(0)
    await equal()
  })
})

describe('the target dies after the cut-over', () => {
  it('with all it had: one call takes the traffic back, and the source has every acknowledged write', async () => {
    await open()
    const { ferry } = stage
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    await ferry.step('cutover')
    await stage.startLoad(1_000)
    await worked(500)
    const client = await WireClient.open(ferry.port)
    expect(await client.ask('SET acknowledged yes')).toBe('+OK\r\n')
    const keys = await stage.source.client().dbsize()
    await stage.target.kill9()
    await ferry.untilStatus('the target to be down', ({ target }) => target.state === 'down')
    const startMs = performance.now()
    const { status } = await ferry.step('rollback', { reason: 'the target is dead' })
    expect(performance.now() - startMs).toBeLessThan(3_000)
    expect(status).toMatchObject({ phase: 'mirror', authority: 'source', traffic: { readMode: 'old' } })
    expect(await client.pipeline(['GET acknowledged', 'INCR after', 'GET after'])).toEqual([
      '$3\r\nyes\r\n',
      ':1\r\n',
      '$1\r\n1\r\n',
    ])
    await worked(300)
    // It comes back, with nothing: that must not cost the source a single key.
    await stage.startTargetAgain()
    await ferry.untilStatus('the loss to be noticed', ({ journal }) => journal.resyncNeeded !== null)
    await ferry.untilStatus('everything to be copied', ({ coveragePercent }) => coveragePercent === 100)
    await stage.stopLoad()
    await equal()
    expect(await stage.source.client().dbsize()).toBeGreaterThan(keys / 2)
    expect(await client.ask('GET acknowledged')).toBe('$3\r\nyes\r\n')
    client.close()
  })

  it('with a command in flight, and comes back empty: that it lacks the key does not delete it on the source', async () => {
    await open({ keys: 0 })
    const { ferry, toTarget } = stage
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    await ferry.step('cutover')
    const client = await WireClient.open(ferry.port)
    await client.pipeline(['SET counter 100', 'SADD set a b c'])
    await ferry.untilSettled()
    toTarget.stall('to-client')
    const told = client.pipeline(['INCR counter', 'SPOP set'])
    await until(() => toTarget.heldBytes > 0, { what: 'the commands to be on their way' })
    await stage.target.kill9()
    toTarget.cut()
    toTarget.pass()
    for (const reply of await told) expect(reply).toMatch(/^-ERR FERRY unknown-outcome: target was lost/)
    const { status } = await ferry.step('rollback', { reason: 'the target is dead' })
    expect(status).toMatchObject({ authority: 'source', journal: { dirtyKeys: 2 } })
    await stage.startTargetAgain()
    await ferry.untilStatus('everything to be copied', ({ coveragePercent }) => coveragePercent === 100)
    // What the rollback tried in vain, a hundred times over, is tried again at once.
    await ferry.untilSettled(4_000)
    await equal()
    expect(Number(await stage.source.client().get('counter'))).toBeGreaterThanOrEqual(100)
    expect(await stage.target.client().scard('set')).toBe(3)
    client.close()
  })

  it('what only it had stays in the journal, and is fetched when it comes back', async () => {
    dir = await mkdtemp(join(tmpdir(), 'ferry-kept-'))
    await open({ keys: 0, targetArgs: ['--appendonly', 'yes', '--appendfsync', 'always', '--dir', dir] })
    const { ferry } = stage
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    await ferry.step('cutover')
    const client = await WireClient.open(ferry.port)
    // The source is away: the target takes these alone.
    stage.toSource.refuse()
    stage.toSource.cut()
    await ferry.untilStatus('the source to be down', ({ source }) => source.state === 'down')
    expect(await client.pipeline(['SET only:target yes', 'SADD only:set a b'])).toEqual(['+OK\r\n', ':2\r\n'])
    await stage.target.kill9()
    stage.toSource.pass()
    await ferry.untilStatus('the source to be back', ({ source, target }) => source.state === 'up' && target.state === 'down')
    const { status } = await ferry.step('rollback', { reason: 'the target is dead' })
    expect(status).toMatchObject({ phase: 'mirror', authority: 'source', journal: { dirtyKeys: 2 } })
    expect(await client.ask('SET written:since yes')).toBe('+OK\r\n')
    expect((await ferry.status()).journal.dirtyKeys).toBe(3)
    await stage.startTargetAgain()
    await ferry.untilStatus('everything to be copied', ({ coveragePercent }) => coveragePercent === 100)
    await equal()
    expect(await stage.source.client().mget('only:target', 'written:since')).toEqual(['yes', 'yes'])
    expect(await stage.source.client().scard('only:set')).toBe(2)
    client.close()
  })
})
