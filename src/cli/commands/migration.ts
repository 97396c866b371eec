/** The steps of a migration: start, pause, resume, ramp, cutover, rollback, complete. */
import { Argument, type Command, Option } from 'commander'
import type { MigrationAnswer } from '../../control/schemas.ts'
import { phases, strategies } from '../../routing/modes.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi, withReason } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { percentage } from '../numbers.ts'
import { withOnConflict } from '../on-conflict.ts'
import { painter } from '../output.ts'

interface StepOptions extends ApiOptions {
  readonly reason?: string
  readonly dryRun?: true
  readonly expectedPhase?: string
  readonly to?: string
  readonly onConflict?: string
}

export function migrationCommands(program: Command, context: CliContext): void {
  withOnConflict(step(program, 'start', 'begin the migration', 'ferry start', 'ferry start shadow --reason "compare for a week"'))
    .addArgument(new Argument('[strategy]', 'the preset that drives the phases (default: canary)').choices(strategies))
    .action(async (strategy: string | undefined, options: StepOptions) => perform(context, 'start', options, { strategy }))

  step(program, 'pause', 'stay where it is', 'ferry pause --reason "peak hours"').action(async (options: StepOptions) =>
    perform(context, 'pause', options),
  )
  step(program, 'resume', 'go on', 'ferry resume').action(async (options: StepOptions) => perform(context, 'resume', options))

  withOnConflict(
    step(program, 'ramp', 'read this share of the key space from the target', 'ferry ramp 20', 'ferry ramp 0.5 --dry-run'),
  )
    .argument('<percent>', '0 to 100', percentage)
    .action(async (percent: number, options: StepOptions) => perform(context, 'ramp', options, { percent }))

  step(
    program,
    'cutover',
    'make the target the authority; the source stays mirrored',
    'ferry cutover --dry-run',
    'ferry cutover',
  ).action(async (options: StepOptions) => perform(context, 'cutover', options))

  step(
    program,
    'rollback',
    'take the traffic back to the source, from any phase',
    'ferry rollback',
    'ferry rollback --to observe',
  )
    .addOption(new Option('--to <phase>', 'where to go back to').choices(['mirror', 'observe']))
    .action(async (options: StepOptions) =>
      perform(context, 'rollback', options, options.to === undefined ? {} : { to: options.to }),
    )

  step(
    program,
    'complete',
    'leave the source for good; there is no way back',
    'ferry complete --dry-run',
    'ferry complete',
  ).action(async (options: StepOptions) => perform(context, 'complete', options))
}

function step(program: Command, name: string, description: string, ...usage: string[]): Command {
  return withReason(withApi(program.command(name)))
    .description(description)
    .option('--dry-run', 'only say what would be done and what blocks it; exit status 6 if anything does')
    .addOption(new Option('--expected-phase <phase>', 'refuse unless it is in this phase').choices(phases))
    .addHelpText('after', examples(...usage))
}

async function perform(context: CliContext, name: string, options: StepOptions, body: object = {}): Promise<void> {
  const { reason, dryRun, expectedPhase, onConflict } = options
  const answer = await clientOf(context, options).post<MigrationAnswer>(`/v1/migration/${name}`, {
    ...body,
    reason,
    dryRun,
    expectedPhase,
    onConflict,
  })
  if (answer.blockers.length > 0 && !answer.applied) context.exitStatus = exitCodes.refused.status
  if (options.json) printJson(context, answer)
  else printLine(context, answerText(name, answer, context))
}

function answerText(name: string, answer: MigrationAnswer, { io }: CliContext): string {
  const paint = painter(io)
  const { status, steps, blockers } = answer
  const verdict = answer.applied ? `${name}: done` : blockers.length > 0 ? `${name}: blocked` : `${name}: could be done now`
  const state = `phase ${status.phase}, ${status.state.replace('_', ' ')}, authority ${status.authority}`
  return [
    `${paint(answer.applied ? 'green' : blockers.length > 0 ? 'yellow' : 'cyan', verdict)} (${state})`,
    ...blockers.map((text) => `  ${paint('yellow', 'blocks')} ${text}`),
    ...steps.map((text) => `  ${answer.applied ? 'did' : 'would'} ${text}`),
    ...(status.nextSteps.length === 0 ? [] : [`next: ${status.nextSteps.join(', ')}`]),
  ].join('\n')
}
