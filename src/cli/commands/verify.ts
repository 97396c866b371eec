/** `ferry verify`: compare both sides in both directions, through a running Ferry or, given both addresses, without one. */
import type { Command } from 'commander'
import type { VerifyReport } from '../../control/schemas.ts'
import { FerryError } from '../../errors.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { wholeNumber } from '../numbers.ts'
import { count, duration, LiveBlock, table } from '../output.ts'
import { pause } from '../pause.ts'

interface VerifyOptions extends ApiOptions {
  readonly repair?: true
  readonly ttlToleranceMs?: number
  readonly rounds?: number
  readonly source?: string
  readonly target?: string
}

const pollMs = 250

export function verifyCommand(program: Command, context: CliContext): void {
  withApi(program.command('verify'))
    .description('compare both sides by type, value and TTL; exit status 5 if they differ')
    .option('--repair', 'copy what differs from the side that holds the truth')
    .option('--ttl-tolerance-ms <n>', 'expiry times that differ by less count as equal', wholeNumber)
    .option('--rounds <n>', 'how often a difference is looked at again while traffic runs', wholeNumber)
    .option('--source <url>', 'with --target: compare these two without a running Ferry')
    .option('--target <url>', 'with --source: the other side')
    .addHelpText(
      'after',
      examples(
        'ferry verify',
        'ferry verify --repair --json',
        'ferry verify --source redis://127.0.0.1:6379 --target redis://127.0.0.1:6380',
      ),
    )
    .action(async (options: VerifyOptions) => {
      const { source, target, ttlToleranceMs, rounds } = options
      const repair = options.repair ?? false
      const json = options.json ?? false
      if ((source === undefined) !== (target === undefined))
        throw new FerryError('bad-request', '--source and --target go together')
      if (source !== undefined && target !== undefined) {
        context.exitStatus = await context.work.verify({ source, target, repair, json, ttlToleranceMs, rounds })
        return
      }
      const report = await verifyThroughFerry(context, options)
      if (json) printJson(context, report)
      else printLine(context, reportText(report))
      if (report.state === 'failed')
        throw new FerryError('internal', `the comparison failed: ${report.error ?? 'unknown reason'}`)
      if (open(report) > 0) context.exitStatus = exitCodes.differences.status
    })
}

/** Differences that are still there after a repair. */
const open = (report: VerifyReport): number =>
  Math.max(0, report.differences + report.missing + report.extra + report.ttlDifferences - report.repaired)

async function verifyThroughFerry(context: CliContext, options: VerifyOptions): Promise<VerifyReport> {
  const { signal, stderr } = context.io
  const client = clientOf(context, options)
  const { repair, ttlToleranceMs, rounds } = options
  const block = stderr.isTTY && !options.json ? new LiveBlock(stderr) : null
  let report = await client.post<VerifyReport>('/v1/verify', { repair, ttlToleranceMs, rounds })
  while (report.state === 'running') {
    block?.draw(
      `compared ${count(report.keysCompared)} keys, ${count(report.keysPerSecond)} keys/s, ${count(open(report))} differences so far`,
    )
    await pause(pollMs, signal)
    report = await client.get<VerifyReport>(`/v1/verify/${encodeURIComponent(report.id)}`)
  }
  block?.clear()
  return report
}

function reportText(report: VerifyReport): string {
  const seconds = report.finishedAt === null ? 0 : (Date.parse(report.finishedAt) - Date.parse(report.startedAt)) / 1000
  const repaired = report.repaired > 0 ? `, ${count(report.repaired)} repaired` : ''
  const lines = [
    `compared ${count(report.keysCompared)} keys in ${duration(seconds)}: ${count(open(report))} differences${repaired}`,
    `  ${count(report.differences)} by type or value, ${count(report.missing)} missing on the target, ${count(report.extra)} extra on the target, ${count(report.ttlDifferences)} by TTL`,
  ]
  if (report.samples.length > 0) {
    lines.push(
      table([['kind', 'db', 'key', 'detail'], ...report.samples.map((one) => [one.kind, String(one.db), one.key, one.detail])]),
    )
  }
  return lines.join('\n')
}
