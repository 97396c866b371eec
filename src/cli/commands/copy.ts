/** `ferry copy`: the mover alone, without a proxy. */
import { type Command, Option } from 'commander'
import { endpointOf, loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { FerryError } from '../../errors.ts'
import { moverDefaults, standstillSecondsMax } from '../../limits.ts'
import type { LiveOptions } from '../../mover/live-copy.ts'
import type { MoverLimits } from '../../mover/progress.ts'
import { type AccessKind, accessKinds } from '../../routing/access-kind.ts'
import { type CliContext, type CommonOptions, examples, withJson } from '../context.ts'
import { type CopyRuleFlags, copyRulesOf, withCopyRules } from '../copy-rule-flags.ts'
import { copyView } from '../copy-view.ts'
import { exitCodes } from '../exit-codes.ts'
import { moverLimitNames, moverLimitsOf, serverLimitNames, withMoverLimits } from '../mover-limit-flags.ts'
import { positiveNumber, wholeNumber } from '../numbers.ts'

interface CopyFlags extends CommonOptions, CopyRuleFlags {
  readonly config?: string
  readonly source?: string
  readonly target?: string
  readonly sweep?: true
  readonly state?: string
  readonly databases?: string
  readonly errors?: string
  readonly payloadBytesMax?: number
  readonly standstillSeconds?: number
  readonly live?: true | LiveOptions['notice']
  readonly setNotifications?: true
  readonly untilQuiet?: number
  readonly fromRdb?: string
  readonly rdbServer?: string
  readonly carryAccess?: AccessKind
}

const usage = [
  'ferry copy --source redis://127.0.0.1:6379 --target redis://127.0.0.1:6380 --errors failed.ndjson',
  'ferry copy --source redis://a --target redis://b --live',
  'ferry copy --from-rdb dump.rdb --target redis://b',
  'ferry copy --source redis://a --target redis://b --on-conflict replace --sweep --keys-per-second 20000 --state copy.sqlite',
  "ferry copy --source redis://a --target redis://b --on-conflict merge --include 'user:*' --rename user:=eu:user:",
  'ferry copy --source redis://a --target redis-cluster://b --databases fold',
]

export function copyCommand(program: Command, context: CliContext): void {
  const command = withJson(program.command('copy'))
    .description('copy everything from a source to a target, without a proxy; --live follows what is written meanwhile')
    .option(
      '-c, --config <file>',
      'YAML file with both addresses, the rules under `copy`, the limits under `mover` and target.databases; flags count more',
    )
    .option('--source <url>', 'where the data is (SOURCE_REDIS_URL)')
    .option('--target <url>', 'where it goes (TARGET_REDIS_URL)')
    .option(
      '--databases <setting>',
      'same, fold, fold=db{db}: or pairs such as 0=0,1=3,2=none: which database of the target stands for which of the source (FERRY_DATABASES; default: same)',
    )
    .option('--sweep', 'also remove from the target what the source does not have')
    .option(
      '--state <file>',
      'SQLite file that keeps the place, so that a copy that was stopped goes on, and keys that failed are tried again',
    )
    .option('--errors <file>', 'where keys that could not be copied are written to, one JSON document per line')
    .option('--payload-bytes-max <n>', 'they come with what DUMP gives, where the value is no larger; 0 = none do', wholeNumber)
    .option(
      '--standstill-seconds <n>',
      `how long a server is waited for that takes nothing, or is away; then the copy ends unfinished; 0 = for ever (default: ${standstillSecondsMax})`,
      wholeNumber,
    )
    .addOption(
      new Option(
        '--live [way]',
        'follow what changes at the source until SIGINT or SIGTERM, which ends it once all of it is copied; noticed by client tracking, or by keyspace notifications',
      ).choices(['tracking', 'notifications']),
    )
    .option(
      '--set-notifications',
      'with --live notifications: switch on what notify-keyspace-events of the source lacks, and put it back at the end',
    )
    .option('--until-quiet <ms>', 'with --live: end once nothing has changed for so long', positiveNumber)
    .option('--from-rdb <file>', 'in place of --source: a dump, read by a server that is started for it')
    .option('--rdb-server <program>', 'with --from-rdb: that server (default: valkey-server or redis-server on PATH)')
    .addOption(
      new Option(
        '--carry-access <kind>',
        'what of the use of keys arrives with them: idle, how lately, or frequency, how often; the servers tell and keep the one of their eviction policy (default: none)',
      ).choices(accessKinds),
    )
  withCopyRules(withMoverLimits(command, serverLimitNames))
    .addHelpText('after', exitStatusText)
    .addHelpText('after', examples(...usage))
    .action(async (flags: CopyFlags) => {
      const { env } = context.io
      checkTogether(flags)
      const { source, target } = flags
      const config = flags.config === undefined ? null : loadConfig({ file: flags.config, env, flags: { source, target } })
      const options = {
        source: flags.fromRdb === undefined ? required('source', config?.source.url ?? source ?? env.SOURCE_REDIS_URL) : '',
        target: required('target', config?.target.url ?? target ?? env.TARGET_REDIS_URL),
        endpoints: config === null ? null : { source: endpointOf(config.source), target: endpointOf(config.target) },
        carryAccess: flags.carryAccess ?? config?.mover.carryAccess ?? 'none',
        rules: copyRulesOf(flags, config?.copy ?? null),
        json: flags.json ?? false,
        limits: { ...limitsIn(config), ...moverLimitsOf(flags) },
        sweep: flags.sweep ?? false,
        state: flags.state ?? null,
        databases: flags.databases ?? config?.target.databases ?? (env.FERRY_DATABASES || 'same'),
        errors: flags.errors ?? null,
        payloadBytesMax: flags.payloadBytesMax ?? config?.errorQueue.payloadBytesMax ?? 0,
        standstillSeconds: flags.standstillSeconds ?? standstillSecondsMax,
        live: liveOptions(flags),
        fromRdb: flags.fromRdb === undefined ? null : { file: flags.fromRdb, program: flags.rdbServer ?? null },
      }
      context.exitStatus = await context.work.copy(options, copyView(context.io, options.json))
    })
}

/** What a file says about what clients feel, and about pauses that somebody has to end, is for `ferry serve`. */
function limitsIn(config: Config | null): Partial<MoverLimits> {
  const { mover } = config ?? {}
  if (mover === undefined) return {}
  const names = [...moverLimitNames, ...serverLimitNames]
  // What nobody has set is not the same for a copy that nobody attends to.
  return Object.fromEntries(names.filter((name) => mover[name] !== moverDefaults[name]).map((name) => [name, mover[name]]))
}

function required(side: 'source' | 'target', url: string | undefined): string {
  if (!url) throw new FerryError('bad-request', `name the ${side}: --${side} or ${side.toUpperCase()}_REDIS_URL`)
  return url
}

const exitStatusText = `\nExit status: ${(
  ['ok', 'failure', 'usage', 'unreachable', 'refused', 'interrupted', 'exported'] as const
)
  .map((name) => `${exitCodes[name].status} ${exitCodes[name].meaning}`)
  .join(' ')}`

function liveOptions({ live, setNotifications, untilQuiet }: CopyFlags): LiveOptions | null {
  if (live === undefined) return null
  return { notice: live === true ? 'tracking' : live, maySet: setNotifications ?? false, quietMs: untilQuiet ?? null }
}

function checkTogether(flags: CopyFlags): void {
  const { live, setNotifications, untilQuiet, fromRdb, rdbServer, source } = flags
  const wrong = [
    [setNotifications !== undefined && live !== 'notifications', '--set-notifications goes with --live notifications'],
    [untilQuiet !== undefined && live === undefined, '--until-quiet goes with --live'],
    [rdbServer !== undefined && fromRdb === undefined, '--rdb-server goes with --from-rdb'],
    [fromRdb !== undefined && source !== undefined, '--from-rdb takes the place of --source'],
    [fromRdb !== undefined && live !== undefined, 'nothing changes in a dump: --from-rdb does not go with --live'],
  ] as const
  for (const [isWrong, message] of wrong) if (isWrong) throw new FerryError('bad-request', message)
}
