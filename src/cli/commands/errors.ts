/** `ferry errors`: the keys that could not be copied after all retries. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { FailedKey } from '../../control/schemas.ts'
import { FerryError } from '../../errors.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi } from '../context.ts'
import { wholeNumber } from '../numbers.ts'
import { bytes, count, table } from '../output.ts'

interface ListOptions extends ApiOptions {
  readonly cursor: number
  readonly limit: number
}

interface ExportOptions extends ApiOptions {
  readonly file?: string
}

interface Page {
  readonly total: number
  readonly items: readonly FailedKey[]
  readonly nextCursor: number | null
}

export function errorsCommand(program: Command, context: CliContext): void {
  const errors = program
    .command('errors')
    .description('the keys that could not be copied')
    .addHelpText('after', examples('ferry errors', 'ferry errors export --file failed.ndjson', 'ferry errors replay'))

  withApi(errors.command('list', { isDefault: true }))
    .description('one page of them')
    .option('--cursor <n>', 'where the page begins', wholeNumber, 0)
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .addHelpText('after', examples('ferry errors list', 'ferry errors list --limit 200 --json'))
    .action(async (options: ListOptions) => {
      const page = await clientOf(context, options).get<Page>(`/v1/errors?cursor=${options.cursor}&limit=${options.limit}`)
      if (options.json) printJson(context, page)
      else printLine(context, pageText(page))
    })

  withApi(errors.command('export'))
    .description('all of them with everything that is known, one JSON document per line')
    .option('--file <path>', 'write there instead of to stdout')
    .addHelpText('after', examples('ferry errors export > failed.ndjson', 'ferry errors export --file failed.ndjson'))
    .action(async (options: ExportOptions) => {
      const lines = clientOf(context, options).text('/v1/errors?format=ndjson')
      if (options.file === undefined) for await (const chunk of lines) context.io.stdout.write(chunk)
      else await writeExport(options.file, lines)
    })

  withApi(errors.command('replay'))
    .description('try them again: those with the given ids, or all')
    .argument('[ids...]', 'ids, as in the list', collect)
    .addHelpText('after', examples('ferry errors replay', 'ferry errors replay 3 4 17'))
    .action(async (ids: number[] | undefined, options: ApiOptions) => {
      const answer = await clientOf(context, options).post<{ replayed: number }>(
        '/v1/errors/replay',
        ids === undefined || ids.length === 0 ? {} : { ids },
      )
      if (options.json) printJson(context, answer)
      else printLine(context, `${count(answer.replayed)} keys are tried again`)
    })
}

async function writeExport(path: string, lines: AsyncIterable<string>): Promise<void> {
  try {
    await writeFile(path, lines)
  } catch (cause) {
    if (cause instanceof FerryError) throw cause
    throw new FerryError('invalid-config', `--file ${path} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

function pageText(page: Page): string {
  if (page.total === 0) return 'no key has failed'
  const rows = page.items.map((item) => [
    String(item.id),
    String(item.db),
    item.key,
    item.type ?? '?',
    item.sizeBytes === null ? '?' : bytes(item.sizeBytes),
    String(item.attempts),
    item.lastAt,
    item.error,
  ])
  const more = page.nextCursor === null ? '' : `\nmore: ferry errors list --cursor ${page.nextCursor}`
  return `${table([['id', 'db', 'key', 'type', 'size', 'attempts', 'last', 'error'], ...rows])}\n${count(page.total)} keys in all${more}`
}

const collect = (text: string, ids: number[] = []): number[] => [...ids, wholeNumber(text)]
