import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bucketBoundsUs, LatencyHistogram } from '../../../src/observe/histograms.ts'

test('buckets hold exactly the values up to their bound', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60_000_000 }), { maxLength: 200 }), (values) => {
      const histogram = new LatencyHistogram()
      for (const value of values) histogram.record(value)
      const { cumulative, count, sumUs } = histogram.buckets()
      expect(cumulative).toEqual(bucketBoundsUs.map((bound) => values.filter((value) => value <= bound).length))
      expect(count).toBe(values.length)
      expect(sumUs).toBe(values.reduce((sum, value) => sum + value, 0))
    }),
  )
})

test('percentiles are those of the window, buckets those of the whole run', () => {
  const histogram = new LatencyHistogram()
  expect(histogram.snapshot()).toEqual({ count: 0, meanUs: 0, p50Us: 0, p90Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 })
  for (let us = 1; us <= 1000; us += 1) histogram.record(us)
  expect(histogram.snapshot()).toMatchObject({ count: 1000, p50Us: 500, p90Us: 900, p99Us: 990, maxUs: 1000 })
  histogram.reset()
  histogram.record(7.9)
  expect(histogram.snapshot()).toMatchObject({ count: 1, p50Us: 7, maxUs: 7 })
  expect(histogram.buckets().count).toBe(1001)
})
