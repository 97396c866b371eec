/** `ferry mover`: the copy in the background. */
import type { Command } from 'commander'
import type { MoverStatus } from '../../control/schemas.ts'
import { FerryError } from '../../errors.ts'
import { throttleLimitNames } from '../../throttle-limits.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi, withReason } from '../context.ts'
import { moverLimitsOf, withMoverLimits } from '../mover-limit-flags.ts'
import { withOnConflict } from '../on-conflict.ts'
import { bytes, count } from '../output.ts'
import { moverText } from '../status-text.ts'

type LimitOptions = ApiOptions & Readonly<Record<string, number | undefined>>

export function moverCommand(program: Command, context: CliContext): void {
  const mover = program
    .command('mover')
    .description('the copy in the background')
    .addHelpText('after', examples('ferry mover', 'ferry mover pause', 'ferry mover set --keys-per-second 20000'))

  withApi(mover.command('status', { isDefault: true }))
    .description('progress, speed and limits')
    .addHelpText('after', examples('ferry mover status', 'ferry mover status --json'))
    .action(async (options: ApiOptions) => show(context, options, await clientOf(context, options).get<MoverStatus>('/v1/mover')))

  startCommand(mover, context)
  for (const [name, description] of [
    ['pause', 'stop for now, keeping the place'],
    ['resume', 'go on from there'],
    ['stop', 'give the pass up'],
  ] as const) {
    withApi(mover.command(name))
      .description(description)
      .addHelpText('after', examples(`ferry mover ${name}`))
      .action(async (options: ApiOptions) =>
        show(context, options, await clientOf(context, options).post<MoverStatus>(`/v1/mover/${name}`)),
      )
  }

  setCommand(mover, context)
}

interface StartOptions extends ApiOptions {
  readonly reason?: string
  readonly onConflict?: string
}

function startCommand(mover: Command, context: CliContext): void {
  withOnConflict(withReason(withApi(mover.command('start'))))
    .description('begin a copy of everything')
    .addHelpText(
      'after',
      examples('ferry mover start', 'ferry mover start --on-conflict replace --reason "left over from a test"'),
    )
    .action(async ({ reason, onConflict, ...options }: StartOptions) =>
      show(context, options, await clientOf(context, options).post<MoverStatus>('/v1/mover/start', { reason, onConflict })),
    )
}

function setCommand(mover: Command, context: CliContext): void {
  const set = withApi(mover.command('set')).description('change any limit, live')
  withMoverLimits(set, throttleLimitNames)
    .addHelpText(
      'after',
      examples(
        'ferry mover set --keys-per-second 20000',
        'ferry mover set --batch-keys 128 --batches-in-flight 2',
        'ferry mover set --source-p99-ms 5 --client-p99-times 0',
      ),
    )
    .action(async (options: LimitOptions) => {
      const limits = moverLimitsOf(options)
      if (Object.keys(limits).length === 0) throw new FerryError('bad-request', 'name at least one limit to set')
      show(context, options, await clientOf(context, options).patch<MoverStatus>('/v1/mover', limits))
    })
}

function show(context: CliContext, options: ApiOptions, status: MoverStatus): void {
  if (options.json) printJson(context, status)
  else printLine(context, `${moverText(status)}\n${limitsText(status.limits)}`)
}

function limitsText(limits: MoverStatus['limits']): string {
  const { keysPerSecondMax, bytesPerSecondMax, batchKeys, batchBytes, batchesInFlight } = limits
  const speed = keysPerSecondMax === 0 ? 'no limit on keys/s' : `at most ${count(keysPerSecondMax)} keys/s`
  const flow = bytesPerSecondMax === 0 ? '' : `, ${bytes(bytesPerSecondMax)}/s`
  const throttle = throttleLimitNames.map((name) => `${name} ${limits[name] === 0 ? 'off' : limits[name]}`)
  return [
    `limits: ${speed}${flow}, ${count(batchKeys)} keys or ${bytes(batchBytes)} in a batch, ${batchesInFlight} batches in flight`,
    `throttle: ${throttle.join(', ')}`,
  ].join('\n')
}
