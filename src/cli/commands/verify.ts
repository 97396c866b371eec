/** `ferry verify`: compare both sides in both directions, through a running Ferry or, given both addresses, without one. */
import type { Command } from 'commander'
import type { VerifyReport } from '../../control/schemas.ts'
import { FerryError } from '../../errors.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { positiveNumber, sharePercent, wholeNumber } from '../numbers.ts'
import { LiveBlock } from '../output.ts'
import { pause } from '../pause.ts'
import { differencesLeft, verifyProgress, verifyText } from '../verify-text.ts'

interface VerifyOptions extends ApiOptions {
  readonly repair?: true
  readonly ttlToleranceMs?: number
  readonly rounds?: number
  readonly settleMs?: number
  readonly sample?: number
  readonly keys?: number
  readonly keysPerSecond?: number
  readonly resume?: true
  readonly state?: string
  readonly source?: string
  readonly target?: string
  readonly databases?: string
}

const pollMs = 250

export function verifyCommand(program: Command, context: CliContext): void {
  withApi(program.command('verify'))
    .description(
      'compare both sides by type, value and TTL; exit status 0 if they are equal, 5 if they differ, 7 if it was stopped',
    )
    .option('--repair', 'copy what differs from the side that holds the truth')
    .option('--ttl-tolerance-ms <n>', 'expiry times that differ by less count as equal', wholeNumber)
    .option('--rounds <n>', 'how often a difference is looked at again while traffic runs', wholeNumber)
    .option('--settle-ms <n>', 'the pause before each round but the first', wholeNumber)
    .option('--sample <percent>', 'only this share of the keys', sharePercent)
    .option('--keys <n>', 'only about so many keys, drawn by the servers', positiveNumber)
    .option('--keys-per-second <n>', 'at most; 0 = unlimited', wholeNumber)
    .option('--resume', 'go on where an earlier verification was interrupted')
    .option('--source <url>', 'with --target: compare these two without a running Ferry')
    .option('--target <url>', 'with --source: the other side')
    .option('--state <file>', 'with --source and --target: SQLite file that keeps the place, for --resume')
    .option('--databases <setting>', 'with --source: as for `ferry copy` (FERRY_DATABASES; default: same)')
    .addHelpText(
      'after',
      examples(
        'ferry verify',
        'ferry verify --repair --json',
        'ferry verify --sample 1% --keys-per-second 20000',
        'ferry verify --source redis://127.0.0.1:6379 --target redis://127.0.0.1:6380 --state verify.sqlite --resume',
      ),
    )
    .action(async (options: VerifyOptions) => {
      refuseContradictions(options)
      const report = await (options.source === undefined ? verifyThroughFerry : verifyDirectly)(context, options)
      if (options.json) printJson(context, report)
      else printLine(context, verifyText(report))
      if (report.state === 'failed') {
        throw new FerryError('internal', `the comparison failed: ${report.error ?? 'unknown reason'}`)
      }
      if (differencesLeft(report) > 0) context.exitStatus = exitCodes.differences.status
    })
}

function refuseContradictions({ source, target, state, resume, sample, keys }: VerifyOptions): void {
  const refuse = (text: string) => {
    throw new FerryError('bad-request', text)
  }
  if ((source === undefined) !== (target === undefined)) refuse('--source and --target go together')
  if (state !== undefined && source === undefined) refuse('--state goes with --source and --target: a running Ferry has its own')
  if (resume && source !== undefined && state === undefined) refuse('--resume needs --state, the file that kept the place')
  if (sample !== undefined && keys !== undefined) refuse('--sample and --keys cannot both be given')
  if (resume && keys !== undefined) refuse('keys that are drawn cannot be resumed')
}

/** As the control API and the direct comparison both name them. */
const wishes = ({ ttlToleranceMs, rounds, settleMs, sample, keys, keysPerSecond }: VerifyOptions) => ({
  ttlToleranceMs,
  rounds,
  settleMs,
  samplePercent: sample,
  sampleKeys: keys,
  keysPerSecondMax: keysPerSecond,
})

function progressBlock({ io: { stderr } }: CliContext, { json }: VerifyOptions): LiveBlock | null {
  return stderr.isTTY && !json ? new LiveBlock(stderr) : null
}

async function verifyDirectly(context: CliContext, options: VerifyOptions): Promise<VerifyReport> {
  const block = progressBlock(context, options)
  try {
    return await context.work.verify({
      ...wishes(options),
      source: options.source as string,
      target: options.target as string,
      repair: options.repair ?? false,
      state: options.state ?? null,
      databases: options.databases ?? (context.io.env.FERRY_DATABASES || 'same'),
      resume: options.resume ?? false,
      signal: context.io.signal,
      onProgress: block === null ? undefined : (report) => block.draw(verifyProgress(report)),
    })
  } finally {
    block?.clear()
  }
}

async function verifyThroughFerry(context: CliContext, options: VerifyOptions): Promise<VerifyReport> {
  const { signal } = context.io
  const client = clientOf(context, options)
  const block = progressBlock(context, options)
  const { repair, resume } = options
  let report = await client.post<VerifyReport>('/v1/verify', { ...wishes(options), repair, resume })
  const path = `/v1/verify/${encodeURIComponent(report.id)}`
  try {
    while (report.state === 'running') {
      block?.draw(verifyProgress(report))
      await pause(pollMs, signal)
      report = await client.get<VerifyReport>(path)
    }
    return report
  } catch (cause) {
    if (!signal.aborted) throw cause
    // Whoever stops waiting for it does not want it to go on reading.
    const unstopped = { ...context, io: { ...context.io, signal: new AbortController().signal } }
    await clientOf(unstopped, options).post(`${path}/stop`)
    throw new FerryError('interrupted', 'the verification was stopped; `ferry verify --resume` goes on', { cause })
  } finally {
    block?.clear()
  }
}
