/** How long a window of a long value waits for, by what the job and its brake say at that moment. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Windows } from '../../../src/dispatch/typed/windows.ts'
import type { Allowance } from '../../../src/mover/allowance.ts'
import { type Brake, restMsMax } from '../../../src/mover/brake.ts'
import { LongPace } from '../../../src/mover/long-pace.ts'
import { type MoverState, Progress } from '../../../src/mover/progress.ts'
import type { Counters } from '../../../src/observe/counters.ts'

const users = new Set<object>()
let state: MoverState
let speedPercent: number
let rateMs: number
let progress: Progress
let pace: LongPace

beforeEach(() => {
  users.clear()
  ;[state, speedPercent, rateMs, progress] = ['running', 100, 0, new Progress()]
  const allowance = { spend: () => undefined, windowWaitMs: () => rateMs }
  const brake = {
    begin: (user: object) => users.add(user),
    end: (user: object) => users.delete(user),
    worked: () => undefined,
    get speedPercent() {
      return speedPercent
    },
  }
  const counters = { mover: { bytesCopied: 0 } }
  pace = new LongPace(
    allowance as unknown as Allowance,
    brake as unknown as Brake,
    progress,
    counters as unknown as Counters,
    () => state,
  )
})

describe('the next window', () => {
  it('may begin at full speed', () => {
    pace.spend(1_000, 20, 100)
    expect(pace.waitMs(100)).toBe(0)
  })

  it('leaves the servers the share of time that the throttle says, and never rests longer than a limit', () => {
    speedPercent = 25
    pace.spend(1_000, 20, 100)
    expect([pace.waitMs(100), pace.waitMs(130), pace.waitMs(160)]).toEqual([60, 30, 0])
    pace.spend(1_000, 60_000, 1_000)
    expect(pace.waitMs(1_000)).toBe(restMsMax)
  })

  it('waits for the rates that were set, and while the job is paused', () => {
    rateMs = 40
    expect(pace.waitMs(0)).toBe(40)
    state = 'paused'
    rateMs = 0
    expect(pace.waitMs(0)).toBeGreaterThan(0)
  })

  it('keeps to them when the job is through, and waits for nothing once it was stopped', () => {
    rateMs = 40
    state = 'done'
    expect(pace.waitMs(0)).toBe(40)
    state = 'idle'
    expect(pace.waitMs(0)).toBe(0)
  })
})

it('a value counts once, whatever part of it came while its key was held', async () => {
  const windows = new Windows(pace)
  await windows.rest(600, null, () => false)
  windows.hurry()
  await windows.rest(200, null, () => false)
  windows.end(1_000)
  expect([windows.bytes, progress.bytesCopied]).toEqual([1_000, 1_000])
})

it('the brake is held for as long as any value is under way', () => {
  pace.begin()
  pace.begin()
  pace.end()
  expect(users.size).toBe(1)
  pace.end()
  expect(users.size).toBe(0)
})
