/** One run of the command line: parse, do, report, and give the exit status. Nothing here ends the process. */
import { CommanderError } from 'commander'
import { errorCatalogue, FerryError } from '../errors.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import type { Io } from './io.ts'
import type { LocalWork } from './local-work.ts'
import { painter } from './output.ts'
import { buildProgram } from './program.ts'

/** `args`: without the interpreter and the script. */
export async function run(args: readonly string[], io: Io, work: LocalWork): Promise<number> {
  const context: CliContext = { io, work, exitStatus: exitCodes.ok.status }
  const json = args.includes('--json')
  try {
    await buildProgram(context, json).parseAsync([...args], { from: 'user' })
    return context.exitStatus
  } catch (error) {
    if (error instanceof CommanderError) return usageStatus(error, io, json)
    return report(asFerryError(error), io, json)
  }
}

function usageStatus(error: CommanderError, io: Io, json: boolean): number {
  if (error.exitCode === 0) return exitCodes.ok.status
  // Help for a command that was not named exactly goes to stderr by commander itself.
  if (json) report(new FerryError('bad-request', error.message.replace(/^error: /, '')), io, json)
  return exitCodes.usage.status
}

function asFerryError(error: unknown): FerryError {
  if (error instanceof FerryError) return error
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return new FerryError('internal', message, { cause: error })
}

/** For people on stderr; with --json as the one document on stdout. */
function report(error: FerryError, io: Io, json: boolean): number {
  if (json) {
    io.stdout.write(`${JSON.stringify({ code: error.code, message: error.message, details: error.details })}\n`)
    return error.exitStatus
  }
  const paint = painter({ stdout: io.stderr, env: io.env })
  const details = error.details.filter((line) => line !== error.message).map((line) => `\n  - ${line}`)
  io.stderr.write(`${paint('red', 'error')} ${error.code}: ${error.message}${details.join('')}\n`)
  if (error.code !== 'bad-request') io.stderr.write(`${paint('dim', errorCatalogue[error.code].advice)}\n`)
  return error.exitStatus
}
