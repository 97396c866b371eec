import { describe, expect, it } from 'vitest'
import { type DemoReport, exitStatus, renderReport } from '../../../src/demo/report.ts'

const clean: DemoReport = {
  keys: 200_000,
  commands: 1_234_567,
  clientErrors: 0,
  differences: 0,
  missing: 0,
  extra: 0,
  ttlDifferences: 0,
  heldWritesMax_ms: 1.5,
  moverKeysPerSecond: 150_000,
  addedLatencyP50_us: 40,
  addedLatencyP99_us: 90,
  seconds: 61.2,
}

describe('the closing report', () => {
  it('exits with 0 only when nothing was lost and nobody saw an error', () => {
    expect(exitStatus(clean)).toBe(0)
    expect(exitStatus({ ...clean, clientErrors: 1 })).toBe(1)
    expect(exitStatus({ ...clean, differences: 1 })).toBe(5)
    expect(exitStatus({ ...clean, differences: 1, clientErrors: 1 })).toBe(5)
  })

  it('ends in the verdict', () => {
    expect(renderReport(clean).trimEnd()).toMatch(/0 client errors, 0 differences$/)
    expect(renderReport({ ...clean, differences: 1204, clientErrors: 3 }).trimEnd()).toMatch(
      /3 client errors, 1,204 differences$/,
    )
  })

  it('shows every number', () => {
    const text = renderReport(clean)
    for (const shown of ['200,000', '1,234,567', '1.5 ms', '150,000 keys/s', '40 µs', '90 µs', '61.2 s'])
      expect(text).toContain(shown)
  })
})
