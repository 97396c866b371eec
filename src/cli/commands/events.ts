/** `ferry events`: the decisions that were taken, and those to come. */
import type { Command } from 'commander'
import type { EventDocument } from '../../control/schemas.ts'
import { FerryError } from '../../errors.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi } from '../context.ts'
import type { Io } from '../io.ts'
import { wholeNumber } from '../numbers.ts'
import { painter } from '../output.ts'

interface EventsOptions extends ApiOptions {
  readonly after: number
  readonly follow: boolean
}

export function eventsCommand(program: Command, context: CliContext): void {
  withApi(program.command('events'))
    .description('the stream of decisions, oldest first')
    .option('--after <id>', 'only events with a higher id', wholeNumber, 0)
    .option('--no-follow', 'end after those that are kept')
    .addHelpText('after', examples('ferry events', 'ferry events --no-follow --json', 'ferry events --after 120'))
    .action(async (options: EventsOptions) => {
      const { signal } = context.io
      try {
        for await (const event of clientOf(context, options).events(options.after, options.follow)) {
          if (options.json) printJson(context, event)
          else printLine(context, eventLine(event, context.io))
        }
      } catch (error) {
        // A signal is how a reader leaves an endless stream.
        if (!signal.aborted) throw error
      }
      if (options.follow && !signal.aborted) throw new FerryError('endpoint-unreachable', 'Ferry ended the stream')
    })
}

function eventLine(event: EventDocument, io: Io): string {
  const paint = painter(io)
  const reason = event.reason === null ? '' : ` (${event.reason})`
  const data = Object.entries(event.data).map(([name, value]) => ` ${name}=${value}`)
  return `${paint('dim', `${event.at} #${event.id}`)} ${paint('cyan', event.kind)} ${event.message}${reason}${paint('dim', data.join(''))}`
}
