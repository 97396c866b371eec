/**
 * The files that are made from the code, and what each must hold. A test compares them; to write them anew:
 * `UPDATE_GENERATED=1 vitest run test/unit/generated-files.test.ts`
 */
import type { Command } from 'commander'
import { exitCodes } from '../../src/cli/exit-codes.ts'
import type { Io } from '../../src/cli/io.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { referenceFiles } from '../../src/config/reference.ts'
import { errorCatalogue } from '../../src/errors.ts'
import { metrics } from '../../src/observe/metrics.ts'
import { type FailureClass, failureClasses, failurePolicies } from '../../src/routing/copy-failure.ts'
import { unusedWork } from './cli.ts'

export function generatedFiles(): Record<string, string> {
  return { ...referenceFiles(), 'docs/errors.md': errorsPage(), 'docs/metrics.md': metricsPage(), 'docs/cli.md': cliPage() }
}

function errorsPage(): string {
  const rows = Object.entries(errorCatalogue).map(
    ([code, { http, exit, advice }]) => `| \`${code}\` | ${http} | ${exit} | ${advice} |`,
  )
  return `# Errors

Ferry's own errors have one code, the same everywhere: on the wire \`-ERR FERRY <code>: <message>\`, in the control API a problem document
(RFC 9457, \`application/problem+json\`) with \`code\` and \`type\` \`urn:ferry:problem:<code>\`, on the command line the exit status
([cli.md](cli.md)), in the metrics the label \`code\` of \`ferry_client_errors_total\`. What a server itself answers reaches the client
byte for byte and is not listed here. This page is made from \`src/errors.ts\`.

| code | HTTP | exit | what to do |
|---|---|---|---|
${rows.join('\n')}

## Keys that cannot be copied

A key that a server does not take is tried again, each time after twice as long a wait, and then goes to the error queue: \`ferry errors\`
lists, exports, edits and replays it. Where every key would fare alike the whole mover waits instead, says why in \`ferry status\`, and goes
on by itself as soon as one key is taken; \`ferry copy\` gives up after \`--standstill-seconds\`. Every key that was scanned is in the end
copied, skipped by a rule, gone meanwhile or in the queue; \`mover.account\` in the status adds them up, and what leaves the queue is copied
there, or gone. This part is made from \`src/routing/copy-failure.ts\`.

| class | what it means | tries, waits | what to do |
|---|---|---|---|
${failureClasses.map(failureRow).join('\n')}
`
}

function failureRow(name: FailureClass): string {
  const { attemptsMax, firstWaitMs, mostWaitMs, meaning, advice } = failurePolicies[name]
  const tries = attemptsMax === null ? 'all wait' : String(attemptsMax)
  return `| \`${name}\` | ${meaning} | ${tries}, ${firstWaitMs} to ${mostWaitMs} ms | ${advice} |`
}

function metricsPage(): string {
  const rows = metrics.map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`,
  )
  return `# Metrics

\`GET /metrics\` of the control API gives these in Prometheus' text format; with \`datadog.enabled\` the same go to a Datadog agent every
10 seconds, the first underscore of the name a dot and without \`_total\`. Labels never hold a key, an address or a message. Counts begin
with the process. [deploy/grafana/ferry.json](../deploy/grafana/ferry.json) is a dashboard,
[deploy/prometheus/alerts.yaml](../deploy/prometheus/alerts.yaml) are alert rules. This page is made from \`src/observe/metrics.ts\`.

| name | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

const quietIo: Io = {
  stdout: { write: () => {}, columns: 110 },
  stderr: { write: () => {} },
  env: {},
  signal: new AbortController().signal,
}

function cliPage(): string {
  const program = buildProgram({ io: quietIo, work: unusedWork, exitStatus: 0 })
  const codes = Object.values(exitCodes).map(({ status, meaning }) => `| ${status} | ${meaning} |`)
  return `# Command line

\`ferry <command> --help\` has examples. Data goes to stdout, talk to stderr. \`--json\` gives one JSON document, or one per line where a
command streams; an error then is a document \`{code, message, details}\` ([errors.md](errors.md)). Colours appear on a terminal only, and
not with \`NO_COLOR\`. Commands that ask a running Ferry find it by \`--control\` or \`FERRY_CONTROL\`, and send the token of
\`--token-file\`, \`FERRY_TOKEN\` or \`FERRY_TOKEN_FILE\`. This page is made from \`src/cli/\`.

## Exit status

| status | meaning |
|---|---|
${codes.join('\n')}

130 and 143 (SIGINT, SIGTERM) after a second signal. Leaving \`status --watch\` and \`events\` by a signal is 0.

## Commands

${leaves(program, '').map(section).join('\n')}`
}

/** Commands that do something themselves, by their full names. */
function leaves(command: Command, parent: string): [name: string, command: Command][] {
  const name = `${parent} ${command.name()}`.trim()
  if (command.commands.length > 0) return command.commands.flatMap((child) => leaves(child, name))
  return [[name, command]]
}

function section([name, command]: [string, Command]): string {
  const help = command.createHelp()
  const usage = help.visibleArguments(command).map((argument) => ` ${argumentText(argument)}`)
  const options = help.visibleOptions(command).filter(({ long }) => long !== '--help')
  const rows = options.map((option) => `| \`${option.flags}\` | ${help.optionDescription(option).replaceAll('|', '\\|')} |`)
  return `### \`${name}${usage.join('')}\`\n\n${command.description()}\n\n| option | |\n|---|---|\n${rows.join('\n')}\n`
}

const argumentText = (argument: { name(): string; required: boolean; variadic: boolean }): string => {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}
