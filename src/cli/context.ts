/** What every command gets: where to write, whom to ask, and the options that many share. */
import type { Command } from 'commander'
import { type ApiAddress, ApiClient } from './api-client.ts'
import type { Io } from './io.ts'
import type { LocalWork } from './local-work.ts'

export interface CliContext {
  readonly io: Io
  readonly work: LocalWork
  /** The last one set is the exit status. */
  exitStatus: number
}

/** Of every command. */
export interface CommonOptions {
  readonly json?: true
}

export interface ApiOptions extends CommonOptions, ApiAddress {}

export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON: one document, or one per line where it streams')
}

/** For commands that ask a running Ferry. */
export function withApi(command: Command): Command {
  return withJson(command)
    .option('--control <address>', 'control API of the running Ferry (FERRY_CONTROL; default 127.0.0.1:7380)')
    .option('--token-file <path>', 'file with the bearer token (default: the variable FERRY_TOKEN)')
}

export function withReason(command: Command): Command {
  return command.option('--reason <text>', 'kept in the events')
}

export function clientOf({ io }: CliContext, options: ApiOptions): ApiClient {
  return ApiClient.fromOptions(options, io)
}

export function printJson({ io }: CliContext, document: unknown): void {
  io.stdout.write(`${JSON.stringify(document)}\n`)
}

export function printLine({ io }: CliContext, text: string): void {
  io.stdout.write(`${text}\n`)
}

/** `--help` ends with these. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`
}
