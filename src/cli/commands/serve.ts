/** `ferry serve`: the proxy, the mover and the control API in this process, until a signal. */
import { once } from 'node:events'
import type { Command } from 'commander'
import { overrides } from '../../config/environment.ts'
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { type CliContext, type CommonOptions, examples, printJson, withJson } from '../context.ts'

interface ServeOptions extends CommonOptions {
  readonly config?: string
  readonly [flag: string]: string | true | undefined
}

export function serveCommand(program: Command, context: CliContext): void {
  const command = withJson(program.command('serve'))
    .description('run the proxy, the mover and the control API')
    .option('-c, --config <file>', 'YAML file (FERRY_CONFIG); docs/configuration.md has every key')
  for (const { flag, key, variable, kind } of overrides) {
    if (flag !== null) command.option(`--${flag} <${kind === 'list' ? 'list' : 'value'}>`, `${key} (${variable})`)
  }
  command
    .addHelpText(
      'after',
      examples(
        'ferry serve --source redis://127.0.0.1:6379 --target redis://127.0.0.1:6380',
        'ferry serve -c ferry.yaml --phase mirror',
        'SOURCE_REDIS_URL_FILE=/run/secrets/source TARGET_REDIS_URL_FILE=/run/secrets/target ferry serve',
      ),
    )
    .action(async (options: ServeOptions) => {
      await serve(context, options, loadConfig({ file: options.config, env: context.io.env, flags: flagsOf(options) }))
    })
}

/** Commander gives `readMode` for `--read-mode`. */
function flagsOf(options: ServeOptions): Record<string, string> {
  const flags: Record<string, string> = {}
  for (const { flag } of overrides) {
    const value = flag === null ? undefined : options[flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
    if (flag !== null && typeof value === 'string') flags[flag] = value
  }
  return flags
}

async function serve(context: CliContext, options: ServeOptions, config: Config): Promise<void> {
  const { signal, stderr } = context.io
  const ferry = await context.work.serve(config)
  const control = `http://${config.control}`
  if (options.json) printJson(context, { listening: ferry.listening, control })
  else context.io.stdout.write(`ferry listens on ${ferry.listening.join(', ')}, control at ${control}\n`)
  if (!signal.aborted) await once(signal, 'abort')
  // A second signal ends the process at once; the entry point sees to that.
  if (!options.json) stderr.write('ferry is stopping: answering what was sent\n')
  await ferry.stop()
}
