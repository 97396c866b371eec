/**
 * Commands that reach the servers under another name than their client wrote (rewrite.ts, blocking.ts). A user may have the right to the one
 * and not to the other. Those that keep their name need no more rights than they came with: the options that Ferry puts in want none.
 */
import { encodeCommand } from '../resp/encode.ts'

/** What is sent in the place of a command. */
export interface OtherForm {
  /** In lower case, as a server names it where it refuses it. */
  readonly name: string
  /** Calls of the client's command and of this one that want the same rights and that no server runs: their instant is no number. */
  readonly probes: (key: Buffer) => readonly Buffer[]
}

const never = 'never'

function form(name: string, words: (key: Buffer) => readonly (readonly (Buffer | string | number)[])[]): OtherForm {
  return { name, probes: (key) => words(key).map((argv) => encodeCommand(argv)) }
}

const expiry = (own: string): OtherForm =>
  form('pexpireat', (key) => [
    [own, key, never],
    ['PEXPIREAT', key, never],
  ])

const setting = (own: string): OtherForm =>
  form('set', (key) => [
    [own, key, never, ''],
    ['SET', key, '', 'PXAT', never],
  ])

const fieldExpiry = (own: string): OtherForm =>
  form('hpexpireat', (key) => [own, 'HPEXPIREAT'].map((name) => [name, key, never, 'FIELDS', 1, 'f']))

const forms: ReadonlyMap<string, OtherForm> = new Map([
  ['expire', expiry('EXPIRE')],
  ['pexpire', expiry('PEXPIRE')],
  ['setex', setting('SETEX')],
  ['psetex', setting('PSETEX')],
  ['hexpire', fieldExpiry('HEXPIRE')],
  ['hpexpire', fieldExpiry('HPEXPIRE')],
])

/** Null where a command keeps its name. For those that wait for keys see `waitingFor`. */
export const otherFormOf = (name: string): OtherForm | null => forms.get(name) ?? null

/** Where commands that wait for keys under another name have their timeout; it is the last argument where it is not the first. */
const timeoutFirst: ReadonlySet<string> = new Set(['blmpop', 'bzmpop'])
const timeoutLast: ReadonlySet<string> = new Set(['blpop', 'brpop', 'bzpopmin', 'bzpopmax', 'blmove', 'brpoplpush'])

/**
 * A waiting command as its client wrote it, but for its timeout; null where it keeps its name when it is tried without waiting.
 * @param timeout in seconds; without one it is no number, and no server runs it.
 */
export function waitingFor(name: string, argv: readonly Buffer[], timeout = never): readonly Buffer[] | null {
  const first = timeoutFirst.has(name)
  if (!first && !timeoutLast.has(name)) return null
  return argv.with(first ? 1 : argv.length - 1, Buffer.from(timeout))
}

/** The form that does not wait, spoilt: no server runs it. Null where it has nothing that could be wrong. */
export function spoiltPop(argv: readonly Buffer[]): readonly Buffer[] | null {
  const wrong = Buffer.from(never)
  switch (String(argv[0])) {
    case 'lmpop':
    case 'zmpop':
      // Its end of the list comes behind the keys that argument 1 counts.
      return argv.with(2 + Number(argv[1]), wrong)
    case 'lmove':
      return argv.with(argv.length - 1, wrong)
    case 'rpoplpush':
      return null
    default:
      return [...argv, wrong]
  }
}

/** What a server says to a command that it did not begin to run: the user may not send it, or it is not known there. */
const refusal = /^-(NOPERM |ERR unknown command)/
const wholeRefusal = /^-(NOPERM .* to run the '|ERR unknown command)/

export const isRefusal = (reply: Buffer): boolean => reply[0] === 45 && refusal.test(reply.toString('latin1', 0, 32))

/** Whether it is the command that is refused, whatever its key. `reply` is a refusal. */
export const refusesCommand = (reply: Buffer): boolean => wholeRefusal.test(reply.toString('latin1'))
