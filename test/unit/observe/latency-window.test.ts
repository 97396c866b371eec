import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundOfUs, fineBuckets, LatencyHistogram } from '../../../src/observe/histograms.ts'
import { countOf, LatencyWindow, percentileMs } from '../../../src/observe/latency-window.ts'
import { holds } from '../../support/property.ts'

test('a value falls into the first bucket that holds it, at most an eighth above it', () => {
  holds(
    fc.property(fc.integer({ min: 1, max: 60_000_000 }), (us) => {
      const histogram = new LatencyHistogram()
      histogram.record(us)
      const bucket = histogram.fine.indexOf(1)
      expect(us).toBeLessThanOrEqual(boundOfUs(bucket))
      if (bucket > 0) expect(us).toBeGreaterThan(boundOfUs(bucket - 1))
      expect(boundOfUs(bucket)).toBeLessThanOrEqual(Math.ceil(us * 1.125) + 1)
    }),
  )
  expect(boundOfUs(fineBuckets - 1)).toBeGreaterThan(60_000_000)
})

test('the window knows what came lately, and nothing of before', () => {
  const histogram = new LatencyHistogram()
  histogram.record(50_000)
  const window = new LatencyWindow(histogram, 2)
  expect([window.count, window.p99Ms(1)]).toEqual([0, null])
  for (let i = 0; i < 200; i++) histogram.record(1_000)
  expect(countOf(window.advance())).toBe(200)
  expect(window.p99Ms(201)).toBeNull()
  expect(window.p99Ms(200)).toBeCloseTo(1, 1)
  for (let i = 0; i < 3; i++) histogram.record(9_000)
  window.advance()
  expect(window.p99Ms(1)).toBeCloseTo(9.2, 1)
  window.advance()
  expect([window.count, window.p99Ms(1)]).toEqual([3, 9.216])
  window.advance()
  expect(window.count).toBe(0)
})

test('a percentile of nothing is 0', () => {
  expect(percentileMs(new Float64Array(fineBuckets), 0.99)).toBe(0)
})
