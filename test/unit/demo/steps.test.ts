import { describe, expect, it } from 'vitest'
import type { StatusDocument } from '../../../src/control/schemas.ts'
import type { ControlClient } from '../../../src/demo/control-client.ts'
import type { Load } from '../../../src/demo/load.ts'
import { Narrator } from '../../../src/demo/narrator.ts'
import { backfill, cutOver, type Journey, quiesce, ramp } from '../../../src/demo/steps.ts'
import { FerryError } from '../../../src/errors.ts'

interface Script {
  /** One per call of status(); the last one stays. */
  readonly statuses: unknown[]
  readonly refusals?: FerryError[]
}

/** A journey against a Ferry that says what the script says. */
function journeyOf({ statuses, refusals = [] }: Script): Journey & { posts: string[]; stops: number } {
  const posts: string[] = []
  let asked = 0
  const control = {
    status: async () => statuses[Math.min(asked++, statuses.length - 1)] as StatusDocument,
    post: async (path: string, body: Record<string, unknown> = {}) => {
      posts.push(`${path} ${JSON.stringify(body)}`)
      const refusal = refusals.shift()
      if (refusal) throw refusal
    },
  }
  const journey = { control: control as unknown as ControlClient, narrator: new Narrator(true), seconds: 0, posts, stops: 0 }
  const load = { tally: { commands: 0, clientErrors: 0 }, stop: async () => journey.stops++ }
  return Object.assign(journey, { load: load as unknown as Load })
}

const mover = (state: string, keysCopied: number) => ({
  mover: { state, keysCopied, keysTotal: 10, keysPerSecond: 0, lastError: 'broke' },
})

describe('the steps of the road', () => {
  it('waits for the backfill and fails with the mover', async () => {
    const journey = journeyOf({ statuses: [mover('running', 4), mover('running', 10), mover('done', 10)] })
    expect(await backfill(journey)).toBeGreaterThan(0)
    expect(journey.posts).toEqual(['/v1/mover/start {}'])
    await expect(backfill(journeyOf({ statuses: [mover('failed', 4)] }))).rejects.toThrow('the mover failed: broke')
  })

  it('asks again while a safety rule holds a step back, but not after any other refusal', async () => {
    const done = { phase: 'canary', traffic: { readPercentage: 5 } }
    const journey = journeyOf({ statuses: [done], refusals: [new FerryError('blocked', 'wait', { details: ['dirty keys'] })] })
    await ramp(journey, 5)
    expect(journey.posts).toHaveLength(2)
    expect(journey.posts[0]).toContain('"percent":5')
    const refused = journeyOf({ statuses: [done], refusals: [new FerryError('phase-conflict', 'no')] })
    await expect(ramp(refused, 5)).rejects.toThrow('no')
  })

  it('goes on only when the status shows the new authority', async () => {
    const journey = journeyOf({
      statuses: [
        { phase: 'cutover', authority: 'source' },
        { phase: 'cutover', authority: 'target' },
      ],
    })
    await cutOver(journey)
    expect(journey.posts).toHaveLength(1)
  })

  it('is quiet only without dirty keys, holds, replies to come or a mover at work', async () => {
    const quiet = {
      journal: { dirtyKeys: 0, openHolds: 0, failed: 0 },
      mover: { state: 'done' },
      source: { inFlight: 0 },
      target: { inFlight: 0 },
    }
    const busy = [
      { ...quiet, journal: { ...quiet.journal, dirtyKeys: 1 } },
      { ...quiet, journal: { ...quiet.journal, openHolds: 1 } },
      { ...quiet, mover: { state: 'running' } },
      { ...quiet, source: { inFlight: 1 } },
      { ...quiet, target: { inFlight: 1 } },
    ]
    const journey = journeyOf({ statuses: [...busy, quiet] })
    expect(await quiesce(journey)).toBe(quiet)
    expect(journey.stops).toBe(1)
  })
})
