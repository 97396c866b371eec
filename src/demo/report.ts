/** The closing report of the demo. */
import { errorCatalogue } from '../errors.ts'
import { grouped } from './narrator.ts'

/** The JSON document, field for field. differences counts everything that differs: type, value, missing, extra, ttl, lost writes. */
export interface DemoReport {
  readonly keys: number
  readonly commands: number
  readonly clientErrors: number
  readonly differences: number
  readonly missing: number
  readonly extra: number
  readonly ttlDifferences: number
  readonly heldWritesMax_ms: number
  readonly moverKeysPerSecond: number
  readonly addedLatencyP50_us: number
  readonly addedLatencyP99_us: number
  readonly seconds: number
}

const note = `The load stopped just before "complete" for the comparison: up to there every write went to both sides, so both must be equal;
after it only the target is written. It then went on through "complete", and what every client had been told was checked there.
Added latency: one closed loop, GET on the source itself against GET and SET in turn through Ferry, at the same time under
the load; the difference of the two p50 and of the two p99.`

export function renderReport(report: DemoReport): string {
  const rows: [string, string][] = [
    ['keys in the data set', grouped(report.keys)],
    ['commands through Ferry', grouped(report.commands)],
    ['client errors', grouped(report.clientErrors)],
    ['differences', grouped(report.differences)],
    ['  missing on the target', grouped(report.missing)],
    ['  extra on the target', grouped(report.extra)],
    ['  time to live', grouped(report.ttlDifferences)],
    ['longest wait of a held write', `${report.heldWritesMax_ms} ms`],
    ['mover', `${grouped(report.moverKeysPerSecond)} keys/s under load`],
    ['added latency p50', `${report.addedLatencyP50_us} µs`],
    ['added latency p99', `${report.addedLatencyP99_us} µs`],
    ['time', `${report.seconds} s`],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const table = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
  return `\n${table}\n\n${note}\n\n${verdict(report)}\n`
}

/** 0 only when no client saw an error and nothing differs. */
export function exitStatus(report: DemoReport): number {
  if (report.differences > 0) return errorCatalogue['differences-found'].exit
  return report.clientErrors > 0 ? 1 : 0
}

const verdict = ({ differences, clientErrors }: DemoReport): string =>
  `${grouped(clientErrors)} client errors, ${grouped(differences)} differences`
