#!/usr/bin/env node
/** The entry point of `ferry`: connects the command line with this process. */
import type { LocalWork } from './local-work.ts'
import { run } from './run.ts'

const interruptedStatus = { SIGINT: 130, SIGTERM: 143 } as const

const work: LocalWork = {
  serve: async (config) => (await import('../main.ts')).startFerry(config),
  copy: async (options, view) => (await import('../mover/copy-command.ts')).runCopy(options, view),
  verify: async (options) => (await import('../mover/verify-command.ts')).runVerify(options),
  demo: async (options) => (await import('../demo/main.ts')).runDemo(options),
}

/**
 * For the commands that end in order: the first signal aborts it, a second one ends the process, since whoever sends it does not want
 * to wait. The handlers come with the first use, so that a command which treats signals itself, or not at all, is left alone.
 */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(interruptedStatus[signal])
      stop.abort()
    })
  }
  return stop.signal
}

let stopping: AbortSignal | null = null

// `ferry errors | head` closes the pipe early: that is the reader's right.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const io = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  get signal(): AbortSignal {
    stopping ??= stopSignal()
    return stopping
  },
}
process.exitCode = await run(process.argv.slice(2), io, work)
