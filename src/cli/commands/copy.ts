/** `ferry copy`: the mover alone, without a proxy. */
import type { Command } from 'commander'
import { FerryError } from '../../errors.ts'
import { type CliContext, type CommonOptions, examples, withJson } from '../context.ts'
import { wholeNumber } from '../numbers.ts'

interface CopyFlags extends CommonOptions {
  readonly source?: string
  readonly target?: string
  readonly keysPerSecond: number
  readonly sweep?: true
  readonly state?: string
  readonly errors?: string
}

export function copyCommand(program: Command, context: CliContext): void {
  withJson(program.command('copy'))
    .description('copy everything from a source to a target, without a proxy: for data that is not being written')
    .option('--source <url>', 'where the data is (SOURCE_REDIS_URL)')
    .option('--target <url>', 'where it goes (TARGET_REDIS_URL)')
    .option('--keys-per-second <n>', 'at most; 0 = unlimited', wholeNumber, 0)
    .option('--sweep', 'also remove from the target what the source does not have')
    .option(
      '--state <file>',
      'SQLite file that keeps the place, so that a copy that was stopped goes on, and keys that failed are tried again',
    )
    .option('--errors <file>', 'where keys that could not be copied are written to, one JSON document per line')
    .addHelpText(
      'after',
      examples(
        'ferry copy --source redis://127.0.0.1:6379 --target redis://127.0.0.1:6380 --errors failed.ndjson',
        'ferry copy --source redis://a --target redis://b --sweep --keys-per-second 20000 --state copy.sqlite',
      ),
    )
    .action(async (flags: CopyFlags) => {
      const { env } = context.io
      context.exitStatus = await context.work.copy({
        source: required('source', flags.source ?? env.SOURCE_REDIS_URL),
        target: required('target', flags.target ?? env.TARGET_REDIS_URL),
        json: flags.json ?? false,
        keysPerSecondMax: flags.keysPerSecond,
        sweep: flags.sweep ?? false,
        state: flags.state ?? null,
        errors: flags.errors ?? null,
      })
    })
}

function required(side: 'source' | 'target', url: string | undefined): string {
  if (!url) throw new FerryError('bad-request', `name the ${side}: --${side} or ${side.toUpperCase()}_REDIS_URL`)
  return url
}
