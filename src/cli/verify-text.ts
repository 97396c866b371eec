/** The report of a verification in words. */
import type { VerifyReport } from '../control/schemas.ts'
import { count, duration, table } from './output.ts'

type Found = VerifyReport['types'][number]['found']

/** Differences that are still there after a repair. */
export const differencesLeft = (report: VerifyReport): number =>
  Math.max(0, report.differences + report.missing + report.extra + report.ttlDifferences - report.repaired)

export function verifyProgress(report: VerifyReport): string {
  const { keysScanned, keysTotal, keysCompared, keysPerSecond, stage } = report
  const share = keysTotal === 0 ? '' : ` (${Math.min(100, (keysScanned / keysTotal) * 100).toFixed(0)} %)`
  const what = stage === 'source' || stage === 'target' ? `reading the ${stage}` : stage
  return `${what}: compared ${count(keysCompared)} keys${share}, ${count(keysPerSecond)} keys/s, ${count(differencesLeft(report))} differences so far`
}

export function verifyText(report: VerifyReport): string {
  const seconds = report.finishedAt === null ? 0 : (Date.parse(report.finishedAt) - Date.parse(report.startedAt)) / 1000
  const repaired = report.repaired > 0 ? `, ${count(report.repaired)} repaired` : ''
  const sample = report.scope === 'sample' ? ' of a sample' : ''
  const lines = [
    `compared ${count(report.keysCompared)} keys${sample} in ${duration(seconds)}: ${count(differencesLeft(report))} differences${repaired}`,
    `  ${report.repaired > 0 ? 'found: ' : ''}${count(report.differences)} by type or value, ${count(report.missing)} missing on the target, ${count(report.extra)} extra on the target, ${count(report.ttlDifferences)} by TTL`,
    `  ${count(report.keysPerSecond)} keys/s; decided by ${looksText(report.looks)}`,
  ]
  if (report.resumed !== null) lines.push(`  resumed ${report.resumed}`)
  const found = report.types.some(({ found }) => sumOf(found) > 0)
  if (found) {
    const types = report.types.map(({ type, keysCompared, found }) => [type, count(keysCompared), ...cells(found)])
    lines.push('', table([['type', 'compared', ...kindNames], ...types]))
  }
  if (report.patterns.length > 0) {
    const rows = report.patterns.map(({ pattern, type, found, examples }) => [pattern, type, ...cells(found), examples.join(' ')])
    lines.push('', table([['pattern', 'type', ...kindNames, 'examples'], ...rows]))
    if (report.patternKeysLeftOut > 0) lines.push(`and ${count(report.patternKeysLeftOut)} keys of other patterns`)
  }
  if (report.samples.length > 0) {
    const rows = report.samples.map(({ kind, type, db, key, detail }) => [kind, type, String(db), key, detail])
    lines.push('', table([['kind', 'type', 'db', 'key', 'detail'], ...rows]))
  }
  return lines.join('\n')
}

const kindNames = ['missing', 'extra', 'other type', 'value', 'TTL']
const cells = ({ missing, extra, type, value, ttl }: Found): string[] => [missing, extra, type, value, ttl].map(count)
const sumOf = ({ missing, extra, type, value, ttl }: Found): number => missing + extra + type + value + ttl

function looksText(looks: VerifyReport['looks']): string {
  const names = { bytes: 'bytes', payload: 'payload', digest: 'digest', value: 'meaning' } as const
  const used = (Object.keys(names) as (keyof typeof names)[]).filter((look) => looks[look] > 0)
  return used.length === 0 ? 'nothing' : used.map((look) => `${names[look]} ${count(looks[look])}`).join(', ')
}
