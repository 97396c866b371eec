/** `ferry mover`: the copy in the background. */
import type { Command } from 'commander'
import type { MoverStatus } from '../../control/schemas.ts'
import { FerryError } from '../../errors.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi } from '../context.ts'
import { wholeNumber } from '../numbers.ts'
import { bytes, count } from '../output.ts'
import { moverText } from '../status-text.ts'

interface LimitOptions extends ApiOptions {
  readonly keysPerSecond?: number
  readonly batchKeys?: number
  readonly batchBytes?: number
  readonly batchesInFlight?: number
}

export function moverCommand(program: Command, context: CliContext): void {
  const mover = program
    .command('mover')
    .description('the copy in the background')
    .addHelpText('after', examples('ferry mover', 'ferry mover pause', 'ferry mover set --keys-per-second 20000'))

  withApi(mover.command('status', { isDefault: true }))
    .description('progress, speed and limits')
    .addHelpText('after', examples('ferry mover status', 'ferry mover status --json'))
    .action(async (options: ApiOptions) => show(context, options, await clientOf(context, options).get<MoverStatus>('/v1/mover')))

  for (const [name, description] of [
    ['start', 'begin a copy of everything'],
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

  withApi(mover.command('set'))
    .description('change any limit, live')
    .option('--keys-per-second <n>', 'at most; 0 = unlimited', wholeNumber)
    .option('--batch-keys <n>', 'keys copied in one round trip', wholeNumber)
    .option('--batch-bytes <n>', 'a batch is closed early when its values reach this', wholeNumber)
    .option('--batches-in-flight <n>', 'batches under way at once', wholeNumber)
    .addHelpText(
      'after',
      examples('ferry mover set --keys-per-second 20000', 'ferry mover set --batch-keys 128 --batches-in-flight 2'),
    )
    .action(async (options: LimitOptions) => {
      const { keysPerSecond: keysPerSecondMax, batchKeys, batchBytes, batchesInFlight } = options
      const limits = { keysPerSecondMax, batchKeys, batchBytes, batchesInFlight }
      if (Object.values(limits).every((value) => value === undefined))
        throw new FerryError('bad-request', 'name at least one limit to set')
      show(context, options, await clientOf(context, options).patch<MoverStatus>('/v1/mover', limits))
    })
}

function show(context: CliContext, options: ApiOptions, status: MoverStatus): void {
  if (options.json) printJson(context, status)
  else printLine(context, `${moverText(status)}\n${limitsText(status.limits)}`)
}

function limitsText({ keysPerSecondMax, batchKeys, batchBytes, batchesInFlight }: MoverStatus['limits']): string {
  const speed = keysPerSecondMax === 0 ? 'no limit on keys/s' : `at most ${count(keysPerSecondMax)} keys/s`
  return `limits: ${speed}, ${count(batchKeys)} keys or ${bytes(batchBytes)} in a batch, ${batchesInFlight} batches in flight`
}
