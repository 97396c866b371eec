/** What a verification tells, while it runs and at its end. The same shape as the control API's document. */
import { printable } from '../resp/printable.ts'
import type { FindingKind, LocatedFinding } from './verify-finding.ts'
import type { Findings } from './verify-findings.ts'
import { patternOf } from './verify-pattern.ts'
import type { Look, Tally } from './verify-tally.ts'

export interface VerificationReport {
  readonly id: string
  readonly state: 'running' | 'done' | 'failed'
  /** What it is at: reading the source, then the target, looking again, repairing. */
  readonly stage: 'source' | 'target' | 'settling' | 'repairing' | 'ended'
  /** Whether every key was to be compared. */
  readonly scope: 'full' | 'sample'
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly finishedAt: string | null
  /** What became of the wish to resume; null = there was none. */
  readonly resumed: string | null
  /** Keys of both sides together when it began; an estimate while traffic runs. */
  readonly keysTotal: number
  /** Seen on either side; a key that is on both counts twice. */
  readonly keysScanned: number
  readonly keysCompared: number
  /** Compared over the passes, without the waits between the rounds. */
  readonly keysPerSecond: number
  /** Type and value. This and the next four are what the last round found, before any repair. */
  readonly differences: number
  readonly typeDifferences: number
  readonly missing: number
  readonly extra: number
  readonly ttlDifferences: number
  /** How many of them are equal after the repair. */
  readonly repaired: number
  readonly types: readonly TypeRow[]
  /** The most frequent first. */
  readonly patterns: readonly PatternRow[]
  /** Keys that differ and are in no row of `patterns`. */
  readonly patternKeysLeftOut: number
  /** How many keys were decided about by their bytes, by payloads or digests, and by their meaning. */
  readonly looks: Readonly<Record<Look, number>>
  readonly samples: readonly Sample[]
  readonly error: string | null
}

export interface TypeRow {
  readonly type: string
  readonly keysCompared: number
  readonly found: Kinds
}

export interface PatternRow {
  readonly pattern: string
  readonly type: string
  readonly found: Kinds
  /** A few keys, printable. */
  readonly examples: string[]
}

/** As others are given it, who may change their copy. */
export type VerifyDocument = Omit<VerificationReport, 'types' | 'patterns' | 'samples'> & {
  types: TypeRow[]
  patterns: PatternRow[]
  samples: Sample[]
}

export const verifyDocument = ({ types, patterns, samples, ...report }: VerificationReport): VerifyDocument => ({
  ...report,
  types: [...types],
  patterns: [...patterns],
  samples: [...samples],
})

type Kinds = Record<FindingKind, number>

interface Sample {
  readonly db: number
  readonly keyBase64: string
  readonly key: string
  readonly type: string
  readonly kind: FindingKind
  readonly detail: string
}

const samplesMax = 100
const examplesMax = 3
/** Groups that are counted, and those of them that are told. Names without a pattern make a group each. */
const groupsMax = 10_000
const groupsTold = 100
/** Grouping reads every name: while it runs only as many are grouped as can be in a moment. */
const groupedWhileRunning = 10_000

const noKinds = (): Kinds => ({ missing: 0, extra: 0, type: 0, value: 0, ttl: 0 })

export function samplesOf(findings: Findings): Sample[] {
  const samples: Sample[] = []
  for (const { db, key, type, kind, detail } of findings.values()) {
    if (samples.length === samplesMax) break
    samples.push({ db, keyBase64: key.toString('base64'), key: printable(key), type, kind, detail })
  }
  return samples
}

type Groups = Pick<VerificationReport, 'types' | 'patterns' | 'patternKeysLeftOut'>

/** @param running what is found may still turn out equal: then many findings are not grouped, only counted. */
export function groupsOf(findings: Findings, tally: Tally, running: boolean): Groups {
  const types = new Map<string, TypeRow>()
  for (const [type, keysCompared] of tally.types) types.set(type, { type, keysCompared, found: noKinds() })
  const patterns = new Map<string, PatternRow>()
  if (running && findings.size > groupedWhileRunning) {
    return { types: [...types.values()], patterns: [], patternKeysLeftOut: findings.size }
  }
  let ungrouped = 0
  for (const finding of findings.values()) {
    const { type, kind } = finding
    const row = types.get(type) ?? { type, keysCompared: 0, found: noKinds() }
    types.set(type, row)
    row.found[kind]++
    const group = groupFor(patterns, finding)
    if (group === null) ungrouped++
    else addTo(group, finding)
  }
  const rows = [...patterns.values()].sort((left, right) => keysIn(right) - keysIn(left))
  for (const row of rows.slice(groupsTold)) ungrouped += keysIn(row)
  return {
    types: [...types.values()].sort((left, right) => right.keysCompared - left.keysCompared),
    patterns: rows.slice(0, groupsTold),
    patternKeysLeftOut: ungrouped,
  }
}

function groupFor(patterns: Map<string, PatternRow>, { key, type }: LocatedFinding): PatternRow | null {
  const pattern = patternOf(key)
  const name = `${type} ${pattern}`
  const known = patterns.get(name)
  if (known !== undefined) return known
  if (patterns.size >= groupsMax) return null
  const row = { pattern, type, found: noKinds(), examples: [] }
  patterns.set(name, row)
  return row
}

function addTo(row: PatternRow, { key, kind }: LocatedFinding): void {
  row.found[kind]++
  if (row.examples.length < examplesMax) row.examples.push(printable(key))
}

const keysIn = ({ found: { missing, extra, type, value, ttl } }: PatternRow): number => missing + extra + type + value + ttl
