/** `ferry demo`: the whole migration on two throw-away servers under live load. */
import { type Command, Option } from 'commander'
import { type CliContext, type CommonOptions, examples, withJson } from '../context.ts'
import { positiveNumber } from '../numbers.ts'

interface DemoFlags extends CommonOptions {
  readonly keys?: number
  readonly seconds?: number
  readonly breakHold?: true
}

export function demoCommand(program: Command, context: CliContext): void {
  withJson(program.command('demo'))
    .description('a whole migration on two local servers under live load, and a comparison at the end')
    .option('--keys <n>', 'how many keys the source begins with', positiveNumber)
    .option('--seconds <n>', 'how long the load runs at least', positiveNumber)
    .addOption(new Option('--break-hold', 'copy without holding writes back, to see the comparison find the loss').hideHelp())
    .addHelpText('after', examples('ferry demo', 'ferry demo --json', 'ferry demo --keys 20000'))
    .action(async ({ json, keys, seconds, breakHold }: DemoFlags) => {
      context.exitStatus = await context.work.demo({
        json: json ?? false,
        ...(keys === undefined ? {} : { keys }),
        ...(seconds === undefined ? {} : { seconds }),
        ...(breakHold === undefined ? {} : { breakHold }),
      })
    })
}
