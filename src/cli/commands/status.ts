/** `ferry status`: once, or again and again. */
import type { Command } from 'commander'
import type { StatusDocument } from '../../control/schemas.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi } from '../context.ts'
import { seconds } from '../numbers.ts'
import { LiveBlock } from '../output.ts'
import { pause } from '../pause.ts'
import { statusLine, statusText } from '../status-text.ts'

interface StatusOptions extends ApiOptions {
  readonly watch?: true
  readonly interval: number
}

export function statusCommand(program: Command, context: CliContext): void {
  withApi(program.command('status'))
    .description('phase, traffic, mover, journal and what blocks the next step')
    .option('-w, --watch', 'keep it up to date: a live view on a terminal, else one line per change')
    .option('--interval <seconds>', 'how often to ask, with --watch', seconds, 1)
    .addHelpText('after', examples('ferry status', 'ferry status --watch', 'ferry status --json'))
    .action(async (options: StatusOptions) => {
      if (options.watch) return watch(context, options)
      const status = await clientOf(context, options).get<StatusDocument>('/v1/status')
      if (options.json) printJson(context, status)
      else printLine(context, statusText(status, context.io))
    })
}

/** Ends without an error on a signal: that is how a reader leaves it. */
async function watch(context: CliContext, options: StatusOptions): Promise<void> {
  const { stdout, signal } = context.io
  const client = clientOf(context, options)
  const block = stdout.isTTY && !options.json ? new LiveBlock(stdout) : null
  let last = ''
  while (!signal.aborted) {
    const status = await client.get<StatusDocument>('/v1/status').catch((error: unknown) => {
      if (signal.aborted) return null
      throw error
    })
    if (status === null) return
    if (options.json) printJson(context, status)
    else if (block !== null) block.draw(statusText(status, context.io))
    else if (statusLine(status) !== last) {
      last = statusLine(status)
      printLine(context, last)
    }
    await pause(options.interval * 1000, signal)
  }
}
