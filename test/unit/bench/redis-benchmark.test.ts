import { describe, expect, it } from 'vitest'
import { parseCsv } from '../../bench/redis-benchmark.ts'

const modern = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"SET","81300.81","0.323","0.072","0.311","0.487","0.663","1.919"
`

describe('parseCsv', () => {
  it('reads rate and percentiles by the names of the header', () => {
    expect(parseCsv(modern, 'SET')).toEqual({ commandsPerSecond: 81300.81, p50Us: 311, p99Us: 663 })
  })

  it('reads the rate alone where there is no more', () => {
    expect(parseCsv('"GET","70000.00"\n', 'GET')).toEqual({ commandsPerSecond: 70000, p50Us: null, p99Us: null })
  })

  it('refuses output without the test that was asked for', () => {
    expect(() => parseCsv(modern, 'GET')).toThrow('no result for GET')
    expect(() => parseCsv('', 'GET')).toThrow('no result for GET')
  })
})
