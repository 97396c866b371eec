/** The road of a migration, driven as an operator would: one request to the control API per step, then waiting for what it promised. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusDocument } from '../control/schemas.ts'
import { FerryError } from '../errors.ts'
import type { ControlClient } from './control-client.ts'
import type { Load } from './load.ts'
import { grouped, type Narrator } from './narrator.ts'

const pollMs = 25
const backfillLimitMs = 120_000
const stepLimitMs = 60_000
const quietLimitMs = 30_000

export interface Journey {
  readonly control: ControlClient
  readonly load: Load
  readonly narrator: Narrator
  /** How long the load works at each step before the next. */
  readonly seconds: number
}

/** Copies the data set while the load runs. Answers the rate of the copying pass, measured from outside. */
export async function backfill({ control, narrator }: Journey): Promise<number> {
  const startMs = performance.now()
  await control.post('/v1/mover/start')
  let copied = 0
  let copySeconds = 0
  await until(control, 'the backfill to be done', backfillLimitMs, ({ mover }) => {
    if (mover.state === 'failed') throw new FerryError('internal', `the mover failed: ${mover.lastError}`)
    if (mover.keysCopied > copied) {
      copied = mover.keysCopied
      copySeconds = (performance.now() - startMs) / 1000
    }
    const rate = `${grouped(mover.keysCopied)} of ${grouped(mover.keysTotal)} keys, ${grouped(mover.keysPerSecond)}/s`
    narrator.bar('backfill', mover.keysCopied / Math.max(mover.keysTotal, 1), rate)
    return mover.state === 'done'
  })
  const keysPerSecond = Math.round(copied / Math.max(copySeconds, 0.001))
  narrator.say(
    'backfill',
    `${grouped(copied)} keys copied in ${copySeconds.toFixed(2)} s: ${grouped(keysPerSecond)} keys/s under load`,
  )
  return keysPerSecond
}

export async function ramp(journey: Journey, percent: number): Promise<void> {
  await take(
    journey,
    'canary',
    '/v1/migration/ramp',
    { percent },
    ({ phase, traffic }) => phase === 'canary' && traffic.readPercentage === percent,
  )
  await dwell(journey, 'canary', `reads ${percent} % of the key space from the target`)
}

export async function cutOver(journey: Journey): Promise<void> {
  const holdMs = await take(
    journey,
    'cut-over',
    '/v1/migration/cutover',
    {},
    ({ phase, authority }) => phase === 'cutover' && authority === 'target',
  )
  await dwell(journey, 'cut-over', `the target is the authority, the source stays mirrored (asked and done in ${holdMs} ms)`)
}

export async function rollBack(journey: Journey): Promise<void> {
  const tookMs = await take(
    journey,
    'rollback',
    '/v1/migration/rollback',
    {},
    ({ phase, authority }) => phase === 'mirror' && authority === 'source',
  )
  await dwell(journey, 'rollback', `one call, and the source is the authority again (${tookMs} ms)`)
}

export async function complete(journey: Journey): Promise<void> {
  await take(journey, 'complete', '/v1/migration/complete', {}, ({ phase }) => phase === 'complete')
  await dwell(journey, 'complete', 'target only: Ferry could be removed')
}

/** Lets the load work for a while and tells what it saw. */
export async function dwell({ load, narrator, seconds }: Journey, step: string, text: string): Promise<void> {
  const before = load.tally.commands
  const startMs = performance.now()
  await sleep(seconds * 1000, undefined, { ref: false }) // the load's sockets keep the process; an interrupted demo must not linger
  const rate = (load.tally.commands - before) / ((performance.now() - startMs) / 1000)
  narrator.say(step, `${text} · ${grouped(rate)} commands/s, ${load.tally.clientErrors} errors`)
}

/** Waits until every reply is in, no key is held and the journal is empty: from here on nothing but time changes either side. */
export async function quiesce({ control, load, narrator }: Journey): Promise<StatusDocument> {
  await load.stop()
  const status = await until(
    control,
    'the journal to be empty',
    quietLimitMs,
    ({ journal, mover, source, target }) =>
      journal.dirtyKeys === 0 &&
      journal.openHolds === 0 &&
      mover.state !== 'running' &&
      source.inFlight === 0 &&
      target.inFlight === 0,
  )
  if (status.journal.failed > 0) narrator.say('quiet', `${status.journal.failed} keys are in the error queue`)
  return status
}

/** Answers how long the step took in ms. A step that a safety rule holds back is asked for again until the limit. */
async function take(
  { control, narrator }: Journey,
  step: string,
  path: string,
  body: Record<string, unknown>,
  reached: (status: StatusDocument) => boolean,
): Promise<number> {
  const startMs = performance.now()
  for (;;) {
    try {
      await control.post(path, { ...body, reason: 'demo' })
      break
    } catch (error) {
      const held = error instanceof FerryError && error.code === 'blocked'
      if (!held || performance.now() - startMs > stepLimitMs) throw error
      narrator.bar(step, 0, `held back: ${error.details.join('; ') || error.message}`)
      await sleep(pollMs * 4)
    }
  }
  const tookMs = Math.round(performance.now() - startMs)
  await until(control, `the step ${step}`, stepLimitMs, reached)
  return tookMs
}

async function until(
  control: ControlClient,
  what: string,
  limitMs: number,
  reached: (status: StatusDocument) => boolean,
): Promise<StatusDocument> {
  const deadlineMs = performance.now() + limitMs
  for (;;) {
    const status = await control.status()
    if (reached(status)) return status
    if (performance.now() > deadlineMs) {
      const { phase, authority, mover, journal, blockers } = status
      const details = [JSON.stringify({ phase, authority, mover, journal, blockers })]
      throw new FerryError('interrupted', `waited ${limitMs / 1000} s for ${what}`, { details })
    }
    await sleep(pollMs)
  }
}
