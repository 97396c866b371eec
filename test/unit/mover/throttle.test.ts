import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Decision,
  decide,
  decisionEveryMs,
  factorMin,
  firstDecision,
  fullSpeed,
  shapeOf,
  throttleText,
} from '../../../src/mover/throttle.ts'
import { noSignals, type Signals } from '../../../src/mover/throttle-signals.ts'
import { throttleDefaults } from '../../../src/throttle-limits.ts'
import { holds } from '../../support/property.ts'

const limits = { ...throttleDefaults, sourceP99MsMax: 5, targetP99MsMax: 5, serverCpuPercentMax: 80 }

const run = (signals: Partial<Signals>, times: number, before: Decision = fullSpeed): Decision => {
  let decision = before
  for (let i = 0; i < times; i++) decision = decide({ ...noSignals, ...signals }, limits, decision)
  return decision
}

describe('each signal, with the words for it', () => {
  test.each<[Partial<Signals>, text: string, rests: boolean]>([
    [{ clientP99Ms: 2.5, restingP99Ms: 1 }, 'client p99 2.5 ms > 1.5 × 1 ms at rest', false],
    [{ clientP99Ms: 0.8, restingP99Ms: 0.1 }, 'client p99 0.8 ms > 1.5 × 0.5 ms at rest', false],
    [{ addedP99Ms: 26 }, 'added p99 26 ms > 25 ms', false],
    [{ sourceP99Ms: 8.21 }, 'source p99 8.2 ms > 5 ms', false],
    [{ targetP99Ms: 8.21 }, 'target p99 8.2 ms > 5 ms', false],
    [{ eventLoopLagMs: 51 }, 'event-loop lag 51 ms > 50 ms', false],
    [{ sourceCpuPercent: 90 }, 'source CPU 90 % > 80 %', false],
    [{ targetCpuPercent: 90 }, 'target CPU 90 % > 80 %', false],
    [{ sourceLagSeconds: 11 }, 'source replication lag 11 s > 10 s', true],
    [{ targetLagSeconds: 11 }, 'target replication lag 11 s > 10 s', true],
    [{ targetMemoryPercent: 90.1 }, 'target memory 90.1 % > 90 %', true],
    [{ targetEvictionsPerSecond: 12 }, 'target evictions 12/s > 10/s', true],
    [{ sourceBufferBytes: 70e6 }, 'source lane buffer 70000000 bytes > 67108864 bytes', true],
    [{ targetBufferBytes: 70e6 }, 'target lane buffer 70000000 bytes > 67108864 bytes', true],
  ])('%o', (signals, text, rests) => {
    const decision = run(signals, 1)
    expect(throttleText(decision)).toBe(text)
    expect(decision.factor === 0).toBe(rests)
    expect(decision.factor).toBeLessThan(1)
  })

  test('several at once are all told', () => {
    expect(run({ sourceP99Ms: 6, targetP99Ms: 7 }, 1).reasons).toEqual(['source p99 6 ms > 5 ms', 'target p99 7 ms > 5 ms'])
  })

  test('a limit of 0 is none', () => {
    const off = { ...limits, sourceP99MsMax: 0, clientP99TimesMax: 0 }
    expect(decide({ ...noSignals, sourceP99Ms: 9_999, clientP99Ms: 99, restingP99Ms: 1 }, off, fullSpeed)).toEqual(fullSpeed)
  })
})

describe('the speed', () => {
  test('with nothing else going on it is full, from the first moment', () => {
    expect(firstDecision(noSignals)).toBe(fullSpeed)
    expect(run({ sourceCpuPercent: 50, sourceBufferBytes: 1_000 }, 10)).toEqual(fullSpeed)
  })

  test('beside live traffic it begins slowly', () => {
    const first = firstDecision({ ...noSignals, clientP99Ms: 1 })
    expect(first.factor).toBeLessThan(0.1)
    expect(throttleText(first)).toBe('6.3 % of full speed after it begins slowly beside live traffic')
  })

  test('it listens first where nobody knows what clients feel without it, but not for ever', () => {
    const once = run({ clientP99Ms: 1 }, 1)
    expect([once.factor, throttleText(once)]).toEqual([0, 'waiting to learn what clients feel without the mover'])
    expect(run({ clientP99Ms: 1 }, 30, once).factor).toBeGreaterThan(0)
  })

  test('it halves once per window, and quarters where it is far too much', () => {
    expect(run({ sourceP99Ms: 6 }, 1).factor).toBe(0.5)
    expect(run({ sourceP99Ms: 6 }, 5).factor).toBe(0.5)
    expect(run({ sourceP99Ms: 6 }, 6).factor).toBe(0.25)
    expect(run({ sourceP99Ms: 16 }, 1).factor).toBe(0.25)
  })

  test('close below a limit it stays as it is', () => {
    const slowed = run({ sourceP99Ms: 6 }, 6)
    expect(run({ sourceP99Ms: 4.9 }, 50, slowed).factor).toBe(slowed.factor)
  })

  test('what the slowest copy does not mend makes it rest now and then, what is far too much for good', () => {
    const factors = new Set<number>()
    let decision = run({ sourceP99Ms: 6 }, 100)
    for (let i = 0; i < 20; i++) {
      decision = run({ sourceP99Ms: 6 }, 1, decision)
      factors.add(decision.factor)
    }
    expect(factors).toEqual(new Set([0, factorMin]))
    expect(run({ sourceP99Ms: 100 }, 40).factor).toBe(0)
    expect(run({ sourceP99Ms: 100 }, 400).factor).toBe(0)
  })

  test('where it was too much it comes near quickly, and then with care', () => {
    const slowed = run({ sourceP99Ms: 6 }, 1)
    const steps = [slowed]
    for (let i = 0; i < 20; i++) steps.push(run({ sourceP99Ms: 1 }, 1, steps.at(-1)))
    const rises = steps.slice(1).map(({ factor }, i) => factor - (steps[i] as Decision).factor)
    expect(Math.max(...rises.slice(0, 6))).toBeGreaterThanOrEqual(1 / 16)
    for (const [i, rise] of rises.entries()) if (i > 8) expect(rise).toBeLessThan(0.04 + (steps[i] as Decision).factor / 16)
  })
})

describe('a critical load', () => {
  const needed = (limits.criticalSeconds * 1000) / decisionEveryMs

  test('pauses once it has lasted', () => {
    expect(run({ sourceP99Ms: 51 }, needed - 1).critical).toBeNull()
    expect(run({ sourceP99Ms: 51 }, needed).critical).toBe('source p99 51 ms > 5 ms')
    expect(run({ targetMemoryPercent: 95.1 }, needed).critical).toBe('target memory 95.1 % > 90 %')
  })

  test('not below its level, not with a break, not where it is off', () => {
    expect(run({ sourceP99Ms: 49 }, 99).critical).toBeNull()
    const broken = run({ sourceP99Ms: 1 }, 1, run({ sourceP99Ms: 51 }, needed - 1))
    expect(run({ sourceP99Ms: 51 }, 1, broken).critical).toBeNull()
    const off = { ...limits, criticalTimes: 0 }
    let decision = fullSpeed
    for (let i = 0; i < 99; i++) decision = decide({ ...noSignals, sourceP99Ms: 9_999 }, off, decision)
    expect(decision.critical).toBeNull()
  })
})

test('it is never faster than full speed nor slower than the least but at rest, and comes back whatever was before', () => {
  const value = fc.option(fc.double({ min: 0, max: 1e3, noNaN: true }))
  const signals = fc.record(
    Object.fromEntries(Object.keys(noSignals).map((name) => [name, value])),
  ) as unknown as fc.Arbitrary<Signals>
  holds(
    fc.property(fc.array(signals, { maxLength: 60 }), (history) => {
      let decision = fullSpeed
      for (const each of history) {
        const before = decision
        decision = decide(each, limits, decision)
        expect(decision.factor === 0 || (decision.factor >= factorMin && decision.factor <= 1)).toBe(true)
        if (decision.reasons.length > 0 && before.factor > 0) expect(decision.factor).toBeLessThanOrEqual(before.factor)
      }
      expect(run({ clientP99Ms: 1, restingP99Ms: 1 }, 600, decision).factor).toBe(1)
      expect(run({}, 5, decision)).toMatchObject({ factor: 1, reasons: [], critical: null })
    }),
  )
})

test('slower is less in every respect', () => {
  const full = { batchKeys: 512, batchBytes: 4 << 20, batchesInFlight: 4 }
  expect(shapeOf(1, full)).toEqual({ ...full, restTimes: 0 })
  expect(shapeOf(1 / 16, full)).toEqual({ batchKeys: 64, batchBytes: 524_288, batchesInFlight: 1, restTimes: 1 })
  expect(shapeOf(factorMin, full)).toEqual({ batchKeys: 32, batchBytes: 262_144, batchesInFlight: 1, restTimes: 3 })
  expect(shapeOf(factorMin, { batchKeys: 1, batchBytes: 1024, batchesInFlight: 1 })).toMatchObject({
    batchKeys: 1,
    batchBytes: 1024,
  })
})
