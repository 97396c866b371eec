/** What a verification tells, while it runs and at its end. The same shape as the control API's document. */

import { printable } from '../resp/printable.ts'
import type { Finding } from './verify-compare.ts'

export interface VerificationReport {
  readonly id: string
  readonly state: 'running' | 'done' | 'failed'
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly finishedAt: string | null
  readonly keysCompared: number
  /** Over the passes, without the waits between the rounds. */
  readonly keysPerSecond: number
  /** Type and value. This and the next three are what the last round found, before any repair. */
  readonly differences: number
  readonly missing: number
  readonly extra: number
  readonly ttlDifferences: number
  /** How many of them are equal after the repair. */
  readonly repaired: number
  readonly samples: readonly Sample[]
  readonly error: string | null
}

interface Sample {
  readonly db: number
  readonly keyBase64: string
  readonly key: string
  readonly kind: Finding['kind']
  readonly detail: string
}

export interface LocatedFinding extends Finding {
  readonly db: number
}

const samplesMax = 100

export function countFindings(
  findings: Iterable<LocatedFinding>,
): Pick<VerificationReport, 'differences' | 'missing' | 'extra' | 'ttlDifferences' | 'samples'> {
  const counts = { missing: 0, extra: 0, type: 0, value: 0, ttl: 0 }
  const samples: Sample[] = []
  for (const { db, key, kind, detail } of findings) {
    counts[kind] += 1
    if (samples.length < samplesMax) samples.push({ db, keyBase64: key.toString('base64'), key: printable(key), kind, detail })
  }
  return {
    differences: counts.type + counts.value,
    missing: counts.missing,
    extra: counts.extra,
    ttlDifferences: counts.ttl,
    samples,
  }
}
