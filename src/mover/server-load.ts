/** What a server's INFO says of its load. Pure. */
import type { Side } from '../routing/modes.ts'
import type { Signals } from './throttle-signals.ts'

/** One INFO, read at `atMs` of the monotonic clock. Null: the server does not tell. */
export interface ServerLoad {
  readonly atMs: number
  readonly cpuSeconds: number | null
  /** Of the slowest replica that follows; null without any. */
  readonly lagSeconds: number | null
  /** Null without a maxmemory. */
  readonly memoryPercent: number | null
  readonly evictedKeys: number | null
}

export function serverLoadOf(info: string, atMs: number): ServerLoad {
  const number = (name: string): number | null => {
    const text = new RegExp(`^${name}:([0-9.]+)`, 'm').exec(info)?.[1]
    return text === undefined ? null : Number(text)
  }
  // The main thread is the one that runs commands; servers before Redis 6.2 tell of all threads together.
  const cpu = (suffix: string): number | null => {
    const [sys, user] = [number(`used_cpu_sys${suffix}`), number(`used_cpu_user${suffix}`)]
    return sys === null || user === null ? null : sys + user
  }
  const lags = [...info.matchAll(/^slave\d+:.*state=online.*lag=(\d+)/gm)].map(([, lag]) => Number(lag))
  const [used, most] = [number('used_memory'), number('maxmemory')]
  return {
    atMs,
    cpuSeconds: cpu('_main_thread') ?? cpu(''),
    lagSeconds: lags.length === 0 ? null : Math.max(...lags),
    memoryPercent: used === null || most === null || most === 0 ? null : (used / most) * 100,
    evictedKeys: number('evicted_keys'),
  }
}

/** What two readings of one side, the earlier first, say to the throttle. */
export function loadSignals(side: Side, earlier: ServerLoad | null, later: ServerLoad): Partial<Signals> {
  const cpu = perSecond(earlier, later, 'cpuSeconds')
  const cpuPercent = cpu === null ? null : cpu * 100
  if (side === 'source') return { sourceCpuPercent: cpuPercent, sourceLagSeconds: later.lagSeconds }
  return {
    targetCpuPercent: cpuPercent,
    targetLagSeconds: later.lagSeconds,
    targetMemoryPercent: later.memoryPercent,
    targetEvictionsPerSecond: perSecond(earlier, later, 'evictedKeys'),
  }
}

/** Null where a server that was started anew counts from zero again. */
function perSecond(earlier: ServerLoad | null, later: ServerLoad, name: 'cpuSeconds' | 'evictedKeys'): number | null {
  const [from, to] = [earlier?.[name] ?? null, later[name]]
  if (earlier === null || from === null || to === null || to < from || later.atMs <= earlier.atMs) return null
  return ((to - from) / (later.atMs - earlier.atMs)) * 1000
}
