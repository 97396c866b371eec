/** What the mover heeds: each signal with the limit it is held against, and how both are told. Pure. */
import type { ThrottleLimitName, ThrottleLimits } from '../throttle-limits.ts'

/** Null: not known, or of no matter now. */
export interface Signals {
  /** Of all that clients sent to Ferry lately. */
  readonly clientP99Ms: number | null
  /** The same while the mover rested. */
  readonly restingP99Ms: number | null
  readonly addedP99Ms: number | null
  readonly sourceP99Ms: number | null
  readonly targetP99Ms: number | null
  readonly eventLoopLagMs: number | null
  readonly sourceCpuPercent: number | null
  readonly targetCpuPercent: number | null
  readonly sourceLagSeconds: number | null
  readonly targetLagSeconds: number | null
  readonly targetMemoryPercent: number | null
  readonly targetEvictionsPerSecond: number | null
  readonly sourceBufferBytes: number | null
  readonly targetBufferBytes: number | null
}

export const noSignals: Signals = {
  clientP99Ms: null,
  restingP99Ms: null,
  addedP99Ms: null,
  sourceP99Ms: null,
  targetP99Ms: null,
  eventLoopLagMs: null,
  sourceCpuPercent: null,
  targetCpuPercent: null,
  sourceLagSeconds: null,
  targetLagSeconds: null,
  targetMemoryPercent: null,
  targetEvictionsPerSecond: null,
  sourceBufferBytes: null,
  targetBufferBytes: null,
}

interface Row {
  readonly signal: keyof Signals
  readonly limit: ThrottleLimitName
  readonly label: string
  readonly unit: string
  /** Above its limit the mover stops at once: to go slower would only make it take longer. */
  readonly stops: boolean
  /** Whether there is a level at which the mover is paused. */
  readonly critical: 'times' | 'half-way' | null
}

const row = (
  signal: keyof Signals,
  limit: ThrottleLimitName,
  label: string,
  unit: string,
  stops = false,
  critical: Row['critical'] = null,
): Row => ({ signal, limit, label, unit, stops, critical })

const rows: readonly Row[] = [
  row('addedP99Ms', 'addedP99MsMax', 'added p99', 'ms', false, 'times'),
  row('sourceP99Ms', 'sourceP99MsMax', 'source p99', 'ms', false, 'times'),
  row('targetP99Ms', 'targetP99MsMax', 'target p99', 'ms', false, 'times'),
  row('eventLoopLagMs', 'eventLoopLagMsMax', 'event-loop lag', 'ms', false, 'times'),
  row('sourceCpuPercent', 'serverCpuPercentMax', 'source CPU', '%'),
  row('targetCpuPercent', 'serverCpuPercentMax', 'target CPU', '%'),
  row('sourceLagSeconds', 'replicationLagSecondsMax', 'source replication lag', 's', true, 'times'),
  row('targetLagSeconds', 'replicationLagSecondsMax', 'target replication lag', 's', true, 'times'),
  row('targetMemoryPercent', 'targetMemoryPercentMax', 'target memory', '%', true, 'half-way'),
  row('targetEvictionsPerSecond', 'targetEvictionsPerSecondMax', 'target evictions', '/s', true),
  row('sourceBufferBytes', 'laneBufferBytesMax', 'source lane buffer', 'bytes', true, 'times'),
  row('targetBufferBytes', 'laneBufferBytesMax', 'target lane buffer', 'bytes', true, 'times'),
]

/** One signal beside its limit. */
export interface Reading {
  /** 1 = at the limit. */
  readonly ratio: number
  /** e.g. `source p99 8.2 ms > 5 ms`; of use only above the limit. */
  readonly text: string
  readonly stops: boolean
  readonly critical: boolean
}

/** Latencies this small are felt by nobody: a multiple of less is taken of this. */
const restingFloorMs = 0.5

/** What is known and limited, and nothing else. */
export function readingsOf(signals: Signals, limits: ThrottleLimits): Reading[] {
  const readings: Reading[] = []
  const client = clientReading(signals, limits)
  if (client !== null) readings.push(client)
  for (const { signal, limit: name, label, unit, stops, critical } of rows) {
    const [value, limit] = [signals[signal], limits[name]]
    if (value === null || limit === 0) continue
    readings.push({
      ratio: value / limit,
      text: `${label} ${told(value, unit)} > ${told(limit, unit)}`,
      stops,
      critical: critical !== null && limits.criticalTimes > 0 && value > criticalLevel(limit, critical, limits.criticalTimes),
    })
  }
  return readings
}

function clientReading({ clientP99Ms, restingP99Ms }: Signals, { clientP99TimesMax }: ThrottleLimits): Reading | null {
  if (clientP99Ms === null || restingP99Ms === null || clientP99TimesMax === 0) return null
  const restMs = Math.max(restingFloorMs, restingP99Ms)
  const text = `client p99 ${told(clientP99Ms, 'ms')} > ${clientP99TimesMax} × ${told(restMs, 'ms')} at rest`
  return { ratio: clientP99Ms / (clientP99TimesMax * restMs), text, stops: false, critical: false }
}

const criticalLevel = (limit: number, kind: 'times' | 'half-way', times: number): number =>
  kind === 'times' ? limit * times : (limit + 100) / 2

/** One digit behind the point, or the first that is none. */
function told(value: number, unit: string): string {
  const short = value < 1 ? Number(value.toPrecision(1)) : Math.round(value * 10) / 10
  return `${short}${unit === '/s' ? '' : ' '}${unit}`
}
