/** What may slow the mover down, by limit: the configuration, the control API and the command line all come from this table. */

interface ThrottleLimit {
  /** Used where nothing else is set; 0 = off. */
  readonly first: number
  readonly most: number
  readonly help: string
}

const hourMs = 3_600_000

export const throttleLimits = {
  clientP99TimesMax: {
    first: 1.5,
    most: 1_000,
    help: "Clients' p99 latency, as a multiple of what it is while the mover rests. 0 = off.",
  },
  // Far above what is usual on a machine that is not starved: what live traffic can bear is the first limit's business.
  addedP99MsMax: {
    first: 25,
    most: hourMs,
    help: "p99 of Ferry's own share of a command, ms; counts while there are clients. 0 = off.",
  },
  sourceP99MsMax: { first: 100, most: hourMs, help: "p99 of the source's answers to clients' commands, ms. 0 = off." },
  targetP99MsMax: { first: 250, most: hourMs, help: "p99 of the target's answers to clients' commands, ms. 0 = off." },
  eventLoopLagMsMax: {
    first: 50,
    most: hourMs,
    help: "p99 of what Ferry's event loop is late by, ms; counts while there are clients. 0 = off.",
  },
  // The copy may well use a server that has nothing else to do to the full.
  serverCpuPercentMax: { first: 0, most: 10_000, help: "CPU of either server's main thread, percent of one core. 0 = off." },
  replicationLagSecondsMax: { first: 10, most: 86_400, help: "Lag of either server's slowest replica, s. 0 = off." },
  targetMemoryPercentMax: { first: 90, most: 100, help: "The target's used memory, percent of its maxmemory. 0 = off." },
  targetEvictionsPerSecondMax: { first: 10, most: 100_000_000, help: 'Keys that the target evicts per second. 0 = off.' },
  // A quarter of where clients would no longer be read from.
  laneBufferBytesMax: { first: 64 * 1024 ** 2, most: 1024 ** 4, help: 'Bytes waiting in one connection to a server. 0 = off.' },
  criticalTimes: {
    first: 10,
    most: 10_000,
    help: 'Latency, lag or buffer so many times above its limit, or memory half-way from its limit to the whole, pauses the mover until it is resumed. 0 = off.',
  },
  criticalSeconds: { first: 5, most: 3_600, help: 'How long it must be so before the mover is paused, s.' },
} as const satisfies Record<string, ThrottleLimit>

export type ThrottleLimitName = keyof typeof throttleLimits
export type ThrottleLimits = Record<ThrottleLimitName, number>

export const throttleLimitNames = Object.keys(throttleLimits) as ThrottleLimitName[]

export const throttleDefaults = Object.fromEntries(
  throttleLimitNames.map((name) => [name, throttleLimits[name].first]),
) as ThrottleLimits
