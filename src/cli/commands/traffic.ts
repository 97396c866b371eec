/** `ferry traffic`: read or set how reads and writes are spread. */
import { type Command, Option } from 'commander'
import type { TrafficSettings } from '../../control/schemas.ts'
import { ratioUnits, readModes, writePolicies } from '../../routing/modes.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi, withReason } from '../context.ts'
import { percentage } from '../numbers.ts'
import { table } from '../output.ts'

interface TrafficOptions extends ApiOptions {
  readonly readMode?: string
  readonly policy?: string
  readonly percent?: number
  readonly ratioBy?: string
  readonly tenants?: string[]
  readonly reason?: string
}

export function trafficCommand(program: Command, context: CliContext): void {
  withReason(withApi(program.command('traffic')))
    .description('show the read mode, write policy, ratio and tenants, or set any of them')
    .addOption(new Option('--read-mode <mode>', 'where reads go').choices(readModes))
    .addOption(new Option('--policy <policy>', 'when a write counts as done').choices(writePolicies))
    .option('--percent <percent>', 'share of reads on the target, for the mode ratio', percentage)
    .addOption(new Option('--ratio-by <unit>', 'what the share is counted in').choices(ratioUnits))
    .option('--tenants <list>', 'tenants on the target, separated by commas; empty for none', list)
    .addHelpText(
      'after',
      examples('ferry traffic', 'ferry traffic --read-mode ratio --percent 20', 'ferry traffic --tenants user:1:*,user:2:*'),
    )
    .action(async (options: TrafficOptions) => {
      const { readMode, policy: writePolicy, percent: readPercentage, ratioBy, tenants, reason } = options
      const wanted = { readMode, writePolicy, readPercentage, ratioBy, tenants }
      const client = clientOf(context, options)
      const changes = Object.values(wanted).some((value) => value !== undefined)
      const settings = changes
        ? await client.patch<TrafficSettings>('/v1/traffic', { ...wanted, reason })
        : await client.get<TrafficSettings>('/v1/traffic')
      if (options.json) printJson(context, settings)
      else printLine(context, trafficText(settings))
    })
}

const trafficText = (settings: TrafficSettings): string =>
  table([
    ['read mode', settings.readMode],
    ['write policy', settings.writePolicy],
    ['on the target', `${settings.readPercentage} % by ${settings.ratioBy}`],
    ['tenants', settings.tenants.join(', ') || 'none'],
  ])

const list = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
