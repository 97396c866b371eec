/**
 * The follower dies under load, and comes back. The policy is the default, old-authoritative: nobody waits for the target.
 *
 * Clients: no error, no read that is older than their own write, no command that takes longer than a moment.
 * Source: every acknowledged write.
 * Target: after it is back, everything that the source has, whether it kept its own data or lost it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Stage } from '../../support/stage.ts'

const keys = 1_500
/** Shorter than the time for which the follower is silent, longer than any command may take. */
const followerTimeoutMs = 1_500
const slowestMsMax = 1_000

let stage: Stage
let dir: string | null = null

afterEach(async () => {
  await stage?.close()
  if (dir !== null) await rm(dir, { recursive: true, force: true })
  dir = null
})

async function open(targetArgs: readonly string[] = []): Promise<void> {
  stage = await Stage.open({ keys, targetArgs, ferry: { limits: { followerTimeoutMs } } })
  await stage.ferry.backfill()
  await stage.startLoad()
  await worked(300)
  stage.forgetLatencies()
}

/** Until the load has sent so many more commands. */
async function worked(commands: number): Promise<void> {
  const { ferry } = stage
  const before = stage.seen().commands
  await ferry.untilStatus('the load to go on', () => stage.seen().commands >= before + commands)
}

async function journalGrows(): Promise<void> {
  const first = await stage.ferry.untilStatus('keys in the journal', ({ journal }) => journal.dirtyKeys > 0)
  await stage.ferry.untilStatus('more keys in the journal', ({ journal }) => journal.dirtyKeys > first.journal.dirtyKeys)
}

/** The load goes on for a while beside the healing, then stops. */
async function recovered(): Promise<void> {
  await worked(300)
  const { errors, slowestMs } = await stage.stopLoad()
  expect(errors).toEqual([])
  expect(slowestMs).toBeLessThan(slowestMsMax)
  const { journal, coveragePercent, clientErrorsTotal } = await stage.ferry.untilSettled()
  expect(journal).toMatchObject({ dirtyKeys: 0, failed: 0, resyncNeeded: null })
  expect({ coveragePercent, clientErrorsTotal }).toEqual({ coveragePercent: 100, clientErrorsTotal: 0 })
  expect(await stage.wrong()).toEqual([])
}

describe('the target under load', () => {
  it('is killed and comes back with what it had: clients see nothing, the sides become equal', async () => {
    dir = await mkdtemp(join(tmpdir(), 'ferry-kept-'))
    await open(['--appendonly', 'yes', '--appendfsync', 'always', '--dir', dir])
    await stage.target.kill9()
    await stage.ferry.untilStatus('the target to be down', ({ target }) => target.state === 'down')
    await journalGrows()
    await worked(500)
    await stage.startTargetAgain()
    expect(await stage.target.client().dbsize()).toBeGreaterThan(0)
    await recovered()
  })

  it('is killed and comes back empty: everything is copied again without being asked', async () => {
    await open()
    await stage.target.kill9()
    await journalGrows()
    await worked(500)
    await stage.startTargetAgain()
    await stage.ferry.untilStatus('the loss to be noticed', ({ journal }) => journal.resyncNeeded !== null)
    await recovered()
    expect(await stage.target.client().dbsize()).toBeGreaterThan(keys / 2)
  })

  it('hangs: it is cut off, its keys go to the journal, and what it still had in its buffers does no harm', async () => {
    await open()
    stage.target.freeze()
    const { target } = await stage.ferry.untilStatus(
      'the target to be given up',
      (status) => status.target.state === 'down',
      10_000,
    )
    expect(target.lastError).toMatch(/no answer within|no connection within/)
    await journalGrows()
    await worked(500)
    stage.target.thaw()
    await recovered()
  })
})
