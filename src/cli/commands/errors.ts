/** `ferry errors`: the keys that could not be copied after all retries. */
import { writeFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { ErrorsFilter, ErrorsPage, ReplayAnswer } from '../../control/schemas.ts'
import { FerryError } from '../../errors.ts'
import { type FailureClass, failureClasses, failurePolicies } from '../../routing/copy-failure.ts'
import { type ApiOptions, type CliContext, clientOf, examples, printJson, printLine, withApi } from '../context.ts'
import { wholeNumber } from '../numbers.ts'
import { bytes, count, table } from '../output.ts'

interface FilterOptions extends ApiOptions {
  readonly class?: FailureClass
  readonly pattern?: string
  readonly key?: string
  readonly keyBase64?: string
  readonly database?: number
  readonly onlyState?: 'open' | 'replaying' | 'skipped'
  readonly olderThan?: number
  readonly newerThan?: number
}

interface ListOptions extends FilterOptions {
  readonly cursor: number
  readonly limit: number
}

interface ExportOptions extends FilterOptions {
  readonly file?: string
  readonly payload?: true
}

interface EditOptions extends FilterOptions {
  readonly all?: true
  readonly skip?: string
  readonly reopen?: true
  readonly from?: 'source' | 'target' | 'authority'
}

interface ReplayOptions extends FilterOptions {
  readonly wait: number
}

export function errorsCommand(program: Command, context: CliContext): void {
  const errors = program
    .command('errors')
    .description('the keys that could not be copied')
    .addHelpText('after', examples('ferry errors', 'ferry errors export --file failed.ndjson', 'ferry errors replay'))
  listCommand(errors, context)
  exportCommand(errors, context)
  editCommand(errors, context)
  replayCommand(errors, context)
}

function withFilter(command: Command): Command {
  return withApi(command)
    .addOption(new Option('--class <class>', 'that failed for this').choices(failureClasses))
    .option('--pattern <glob>', 'whose key fits, as in SCAN MATCH')
    .option('--key <key>', 'this key alone, as UTF-8')
    .option('--key-base64 <bytes>', 'this key alone, whatever its bytes')
    .option('--database <n>', 'of this database', wholeNumber)
    .addOption(new Option('--only-state <state>', 'in this state').choices(['open', 'replaying', 'skipped']))
    .option('--older-than <seconds>', 'that failed last longer ago', wholeNumber)
    .option('--newer-than <seconds>', 'that failed last within', wholeNumber)
}

function listCommand(errors: Command, context: CliContext): void {
  withFilter(errors.command('list', { isDefault: true }))
    .description('one page of them, and what to do about each class')
    .option('--cursor <n>', 'where the page begins', wholeNumber, 0)
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .addHelpText('after', examples('ferry errors list', "ferry errors list --class no-permission --pattern 'user:*' --json"))
    .action(async (options: ListOptions) => {
      const page = await clientOf(context, options).get<ErrorsPage>(
        `/v1/errors?${queryOf(options, { cursor: options.cursor, limit: options.limit })}`,
      )
      if (options.json) printJson(context, page)
      else printLine(context, pageText(page))
    })
}

function exportCommand(errors: Command, context: CliContext): void {
  withFilter(errors.command('export'))
    .description('all of them with everything that is known, one JSON document per line')
    .option('--file <path>', 'write there instead of to stdout')
    .option('--payload', 'with what DUMP gave, where errorQueue.payloadBytesMax had it kept')
    .addHelpText('after', examples('ferry errors export > failed.ndjson', 'ferry errors export --file failed.ndjson --payload'))
    .action(async (options: ExportOptions) => {
      const extra = { format: 'ndjson', payload: options.payload }
      const lines = clientOf(context, options).text(`/v1/errors?${queryOf(options, extra)}`)
      if (options.file === undefined) for await (const chunk of lines) context.io.stdout.write(chunk)
      else await writeExport(options.file, lines)
    })
}

function editCommand(errors: Command, context: CliContext): void {
  withFilter(errors.command('edit'))
    .description('skip some of them for good, open them again, or say whose value a replay is to take')
    .argument('[ids...]', 'ids, as in the list', collect)
    .option('--all', 'all that fit the filter, or, without one, all')
    .option('--skip <note>', 'they stand in the way of nothing any more; the note says why')
    .option('--reopen', 'they do again')
    .addOption(new Option('--from <side>', 'whose value is wanted').choices(['source', 'target', 'authority']))
    .addHelpText(
      'after',
      examples("ferry errors edit 3 4 --skip 'a cache, may be lost'", "ferry errors edit --all --pattern 'tmp:*' --from target"),
    )
    .action(async (ids: number[] | undefined, options: EditOptions) => {
      const answer = await clientOf(context, options).patch<{ changed: number }>('/v1/errors', {
        ...chosen(ids, options, options.all ?? false),
        ...(options.skip === undefined ? {} : { state: 'skipped', note: options.skip }),
        ...(options.reopen ? { state: 'open' } : {}),
        ...(options.from === undefined ? {} : { from: options.from }),
      })
      if (options.json) printJson(context, answer)
      else printLine(context, `${count(answer.changed)} entries were changed`)
    })
}

function replayCommand(errors: Command, context: CliContext): void {
  withFilter(errors.command('replay'))
    .description(
      'try them again and tell what became of them: those with the given ids, those that fit, or all that were not skipped',
    )
    .argument('[ids...]', 'ids, as in the list', collect)
    .option('--wait <seconds>', 'how long, up to 60', wholeNumber, 10)
    .addHelpText(
      'after',
      examples('ferry errors replay', 'ferry errors replay 3 4 17', 'ferry errors replay --class no-permission'),
    )
    .action(async (ids: number[] | undefined, options: ReplayOptions) => {
      const answer = await clientOf(context, options).post<ReplayAnswer>('/v1/errors/replay', {
        ...chosen(ids, options, true),
        waitMs: options.wait * 1000,
      })
      if (options.json) printJson(context, answer)
      else printLine(context, replayText(answer))
      if (answer.failed > 0) context.exitStatus = 1
    })
}

/** Ids, or a filter; an edit of everything has to be asked for. */
function chosen(ids: number[] | undefined, options: FilterOptions, all: boolean): { ids?: number[]; filter?: ErrorsFilter } {
  if (ids !== undefined && ids.length > 0) return { ids }
  const filter = filterOf(options)
  if (Object.keys(filter).length === 0 && !all) throw new FerryError('bad-request', 'name ids, a filter, or --all')
  return { filter }
}

function filterOf(options: FilterOptions): ErrorsFilter {
  const keyBase64 = options.keyBase64 ?? (options.key === undefined ? undefined : Buffer.from(options.key).toString('base64'))
  const filter: ErrorsFilter = {
    class: options.class,
    pattern: options.pattern,
    keyBase64,
    db: options.database,
    state: options.onlyState,
    olderThanSeconds: options.olderThan,
    newerThanSeconds: options.newerThan,
  }
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
}

function queryOf(options: FilterOptions, extra: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries({ ...extra, ...filterOf(options) }).filter(([, value]) => value !== undefined)
  return new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()
}

async function writeExport(path: string, lines: AsyncIterable<string>): Promise<void> {
  try {
    await writeFile(path, lines)
  } catch (cause) {
    if (cause instanceof FerryError) throw cause
    throw new FerryError('invalid-config', `--file ${path} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

function replayText({ replayed, settled, failed, waiting }: ReplayAnswer): string {
  const parts = [`${count(replayed)} keys were tried again: ${count(settled)} are settled`]
  if (failed > 0) parts.push(`${count(failed)} failed anew`)
  if (waiting > 0) parts.push(`${count(waiting)} are still being tried`)
  return parts.join(', ')
}

function pageText(page: ErrorsPage): string {
  if (page.total === 0) return 'no key has failed'
  const rows = page.items.map((item) => [
    String(item.id),
    String(item.db),
    item.key,
    item.type ?? '?',
    item.sizeBytes === null ? '?' : bytes(item.sizeBytes),
    String(item.attempts),
    item.lastAt,
    item.state === 'open' ? item.class : `${item.class} (${item.state})`,
    item.error,
  ])
  const more = page.nextCursor === null ? '' : `\nmore: ferry errors list --cursor ${page.nextCursor}`
  const advice = Object.entries(page.byClass).map(
    ([name, keys]) => `${count(keys)} ${name}: ${failurePolicies[name as FailureClass].advice}\n`,
  )
  const head = ['id', 'db', 'key', 'type', 'size', 'attempts', 'last', 'class', 'error']
  return `${table([head, ...rows])}\n${advice.join('')}${count(page.total)} keys in all${more}`
}

const collect = (text: string, ids: number[] = []): number[] => [...ids, wholeNumber(text)]
