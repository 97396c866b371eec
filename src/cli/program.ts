/** The command line as a whole: which commands there are, and how they treat mistakes. */
import { Command } from 'commander'
import { ferryVersion } from '../version.ts'
import { copyCommand } from './commands/copy.ts'
import { demoCommand } from './commands/demo.ts'
import { errorsCommand } from './commands/errors.ts'
import { eventsCommand } from './commands/events.ts'
import { migrationCommands } from './commands/migration.ts'
import { moverCommand } from './commands/mover.ts'
import { serveCommand } from './commands/serve.ts'
import { statusCommand } from './commands/status.ts'
import { trafficCommand } from './commands/traffic.ts'
import { verifyCommand } from './commands/verify.ts'
import { type CliContext, examples } from './context.ts'

const commands = [
  serveCommand,
  demoCommand,
  statusCommand,
  eventsCommand,
  migrationCommands,
  trafficCommand,
  moverCommand,
  verifyCommand,
  errorsCommand,
  copyCommand,
]

/** `quiet`: usage errors are told by the caller instead. */
export function buildProgram(context: CliContext, quiet = false): Command {
  const program = new Command('ferry')
    .description('Moves a live Redis data set from a source to a target, with no lost write.')
    .version(ferryVersion)
    .addHelpText('after', examples('ferry demo', 'ferry serve -c ferry.yaml', 'ferry start canary', 'ferry status --watch'))
  for (const add of commands) add(program, context)
  for (const command of everyCommand(program)) {
    command
      .exitOverride()
      .showSuggestionAfterError()
      .configureOutput({
        writeOut: (text) => context.io.stdout.write(text),
        writeErr: (text) => (quiet ? undefined : context.io.stderr.write(text)),
        getOutHelpWidth: () => context.io.stdout.columns ?? 100,
        getErrHelpWidth: () => context.io.stderr.columns ?? 100,
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      })
  }
  return program
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}
