/** A pipeline of random commands, some of them in transactions, and the judgement of its replies by what any server has to answer. */
import { isReplyError, type Reply } from '../../../src/resp/decode.ts'
import type { Argv, Memory } from './commands/world.ts'
import { isLossError } from './errors.ts'
import type { Tally } from './tally.ts'

export interface Step {
  /** As in the table; MULTI and EXEC have theirs. */
  readonly name: string
  readonly argv: Argv
}

interface Open {
  readonly queued: Step[]
  /** A command was refused: EXEC has to say EXECABORT. */
  broken: boolean
}

export function judgeBurst(steps: readonly Step[], replies: readonly Reply[], tally: Tally, memory: Memory): void {
  let open: Open | null = null
  /** MULTI itself was refused, as a side was away: what belonged to it ran on its own. */
  let unopened = false
  /** Since the last EXEC or DISCARD: EXEC may answer nil. */
  let watching = false
  for (const [position, step] of steps.entries()) {
    const reply = replies[position]
    if (step.name === 'multi') {
      unopened = isReplyError(reply)
      open = unopened ? null : { queued: [], broken: false }
      tally.note(step.name, step.argv, reply)
    } else if (step.name === 'exec' || step.name === 'discard') {
      if (open !== null && watching && step.name === 'exec' && reply === null && !open.broken) tally.conflicts++
      else if (open !== null) judgeEnd(step, open, reply, tally, memory)
      else if (!unopened) tally.note(step.name, step.argv, reply)
      open = null
      watching = false
    } else if (open === null) {
      watching ||= step.name === 'watch'
      tally.note(step.name, step.argv, reply)
      memory.learn(step.argv, reply)
    } else if (isReplyError(reply)) {
      open.broken = true
      tally.noteError(step.argv, reply.error)
    } else if (String(reply) === 'QUEUED') open.queued.push(step)
    else tally.noteWrong(`inside MULTI ${step.argv.join(' ').slice(0, 100)} answered ${String(reply)}`)
  }
}

function judgeEnd(step: Step, { queued, broken }: Open, reply: Reply | undefined, tally: Tally, memory: Memory): void {
  if (step.name === 'discard') {
    tally.note(step.name, step.argv, reply)
    return
  }
  if (isReplyError(reply)) {
    if (reply.error.startsWith('EXECABORT') && broken) tally.errors.set('EXECABORT', (tally.errors.get('EXECABORT') ?? 0) + 1)
    else tally.note(step.name, step.argv, reply)
    return
  }
  if (broken) tally.noteWrong(`EXEC ran although a command was refused: ${queued.length} of them`)
  if (!Array.isArray(reply) || reply.length !== queued.length) {
    tally.noteWrong(
      `EXEC of ${queued.length} commands answered ${Array.isArray(reply) ? `${reply.length} replies` : String(reply)}`,
    )
    return
  }
  tally.note(step.name, step.argv, reply)
  for (const [position, { name, argv }] of queued.entries()) {
    const answered = reply[position]
    if (isReplyError(answered) && isLossError(answered.error)) tally.noteWrong(`inside EXEC: ${answered.error}`)
    tally.note(name, argv, answered)
    memory.learn(argv, answered)
  }
}
