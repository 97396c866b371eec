/**
 * Random clients, a random network and a random operator.
 *
 * The clients: get the replies a single server would have given them, for keys that nobody else writes to; errors only where a side was
 * lost with their command in flight, or where the policy of the moment says so.
 * Source and target: equal in every key, value, expiry, pending entry and function once the load is over and the journal is empty.
 *
 * CONVERGENCE_SEED repeats a run (as far as chance is in the seed), CONVERGENCE_SECONDS makes each longer; run.ts does many.
 */
import { describe, expect, it } from 'vitest'
import { engineNames } from '../../support/redis-server.ts'
import { printReport } from './report.ts'
import { type StressOptions, stress } from './stress.ts'

const seed = Number(process.env.CONVERGENCE_SEED ?? Date.now() % 1_000_000)
const seconds = Number(process.env.CONVERGENCE_SECONDS ?? 3)
const limitMs = (seconds + 100) * 1_000

const newest = ['valkey-9.1', 'redis-8.0'].find((name) => engineNames().includes(name))
const engines = newest === undefined ? {} : { source: newest, target: newest }

const severalDatabases = engineNames().includes('valkey-9.1')
/** Elsewhere a cluster has one database, and its slots move key by key. */
const clustered = { ...(severalDatabases && { engines: { source: 'valkey-9.1', target: 'valkey-9.1' } }), shortLived: true }

const cases: [string, Partial<StressOptions>][] = [
  ['everything at once', { shortLived: true }],
  ['several users, on the newest engine installed', { shortLived: false, users: true, engines }],
  ['from a server to a cluster', { ...clustered, topology: { source: 'single', target: 'cluster' }, replicas: 0 }],
  ['from a cluster to one with other borders', { ...clustered, topology: { source: 'cluster', target: 'cluster' }, replicas: 0 }],
]

describe('both sides', () => {
  it.each(cases)(`are equal in the end: %s (seed ${seed})`, { timeout: limitMs }, async (_, options) => {
    const report = await stress({ seed, seconds, ...options })
    console.log(`seed ${seed}`)
    printReport(report)
    expect(report.comparison.differences).toEqual([])
    expect(report.tally.wrong).toEqual([])
    expect(report.tally.unexpectedSamples).toEqual([])
    // Most of the time may pass with a killed server, and with Ferry starting anew.
    expect(report.tally.commands).toBeGreaterThan(200)
  })
})
