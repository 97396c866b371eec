/** Whether what works for a run goes on: through pauses, lost servers and the end of the run. */
import { beforeEach, expect, it, vi } from 'vitest'
import { JobRun } from '../../../src/mover/job-run.ts'
import { Progress } from '../../../src/mover/progress.ts'
import { Standstill } from '../../../src/mover/standstill.ts'
import { EventLog } from '../../../src/observe/events.ts'
import { until } from '../../support/wait.ts'

// A wait is a turn of the loop, so that what takes half a minute can be tried.
vi.mock('node:timers/promises', () => ({ setTimeout: () => new Promise((resolve) => setImmediate(resolve)) }))

let progress: Progress
let standstill: Standstill
let run: JobRun
let tries: number

beforeEach(() => {
  progress = new Progress()
  standstill = new Standstill(new EventLog())
  run = new JobRun({ from: 0, below: 1 }, progress, standstill, 'running')
  tries = 0
})

/** Answers the try of this number; the ones before end with `error`. */
const answersAt = (number: number, error: string) => async (): Promise<string> => {
  if (++tries < number) throw new Error(error)
  return 'answer'
}

const lost = 'source was lost: connection closed'
const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('a pause holds back until it is resumed, and whoever waits is told of a stop', async () => {
  const heard: string[] = []
  run.pause()
  void run.untilResumed().then(() => heard.push('resumed'))
  await aTurn()
  expect(heard).toEqual([])
  run.resume()
  await aTurn()
  expect(heard).toEqual(['resumed'])
  run.pause()
  void run.untilResumed().then(() => heard.push('stopped'))
  run.stop()
  await aTurn()
  expect(heard).toEqual(['resumed', 'stopped'])
  expect(run.isWanted).toBe(false)
})

it('a run that is over cannot be paused or resumed', () => {
  run.end('done')
  run.pause()
  expect(run.state).toBe('done')
  run.stop()
  run.resume()
  expect(run.state).toBe('idle')
})

it('asks again while a server is away, and says what is the matter', async () => {
  const said: (string | null)[] = []
  const answered = run.patiently(async () => {
    said.push(progress.lastError)
    return answersAt(300, lost)()
  })
  expect(await answered).toBe('answer')
  expect(said.slice(0, 2)).toEqual([null, lost])
  expect(said).toHaveLength(300)
  expect(progress.lastError).toBeNull()
})

it('an answer to one question says nothing of another, nor of what ended a copy', async () => {
  const batches = {}
  progress.wentWrong(batches, 'target was lost: connection closed')
  expect(await run.patiently(answersAt(1, lost))).toBe('answer')
  expect(progress.lastError).toBe('target was lost: connection closed')
  progress.wentWell(batches)
  expect(progress.lastError).toBeNull()
  progress.failed('no place for database 5')
  expect(await run.patiently(answersAt(2, lost))).toBe('answer')
  expect(progress.lastError).toBe('no place for database 5')
  progress.begin(0)
  expect(progress.lastError).toBeNull()
})

it('an answer in between gives the server all its time again', async () => {
  for (let i = 0; i < 2; i++) {
    tries = 0
    expect(await run.patiently(answersAt(300, lost))).toBe('answer')
  }
})

it('ends for a server that stays away', async () => {
  await expect(run.patiently(answersAt(302, lost))).rejects.toThrow(lost)
  expect(tries).toBe(301)
})

it('waits for as long as it takes where a server takes nothing for the moment', async () => {
  const loading = 'LOADING Redis is loading the dataset in memory'
  const sinceMs: (number | undefined)[] = []
  const answered = run.patiently(async () => {
    sinceMs.push(standstill.lasting?.sinceMs)
    return answersAt(1_000, `source: ${loading}`)()
  })
  await until(() => standstill.lasting !== null)
  expect(standstill.lasting).toMatchObject({ side: 'source', error: loading })
  // Nothing but the question waits: no key is to be tried.
  expect(standstill.reason).toBeNull()
  expect(await answered).toBe('answer')
  expect(new Set(sinceMs.slice(1)).size).toBe(1)
  expect(standstill.lasting).toBeNull()
})

it('asks no more for a run that was stopped', async () => {
  const asked = run.patiently(answersAt(1_000, lost))
  run.stop()
  expect(await asked).toBeNull()
  expect(tries).toBe(1)
})
