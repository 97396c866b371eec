import { copyStatus } from '../mover/exit-status.ts'

/** What the exit status of `ferry` says; docs/cli.md has the same table. */
export const exitCodes = {
  ok: { status: 0, meaning: 'Done.' },
  failure: { status: 1, meaning: 'Failed; the message says how.' },
  usage: { status: 2, meaning: 'The command line is wrong, or asks for something that is not supported.' },
  config: { status: 3, meaning: 'The configuration is not valid.' },
  unreachable: { status: 4, meaning: 'Ferry, the source or the target cannot be reached.' },
  differences: { status: 5, meaning: 'The two sides differ.' },
  refused: { status: 6, meaning: 'Refused: by a safety rule, by the phase, or for want of a role.' },
  interrupted: { status: 7, meaning: 'Stopped or out of time before it was finished.' },
  exported: { status: copyStatus.exported, meaning: 'Copied, but for some keys: they are in the error queue.' },
} as const
