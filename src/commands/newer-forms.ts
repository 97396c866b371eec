/**
 * Commands and options that came later than Redis 7.0, and since when each family knows them. Between two servers of which one is older,
 * such a form runs on the authority, and the follower gets the nearest that has the same result (effects.ts), or a copy.
 */
import { type ArgView, argIs } from './arg-view.ts'
import { isBefore, type Release, type ServerName } from './server-name.ts'

const commands: ReadonlyMap<string, Release> = new Map([
  ['msetex', { redis: '8.4', valkey: '9.1' }],
  ['delex', { redis: '8.4', valkey: null }],
  ['delifeq', { redis: null, valkey: '9.0' }],
  ['hsetex', { redis: '8.0', valkey: '9.0' }],
  ['hgetex', { redis: '8.0', valkey: '9.0' }],
  ['hgetdel', { redis: '8.0', valkey: '9.1' }],
  ['xdelex', { redis: '8.2', valkey: null }],
  ['xackdel', { redis: '8.2', valkey: null }],
])

interface Option {
  /** Any of these words from argument `from` on. */
  readonly words: readonly string[]
  readonly from: number
  readonly release: Release
}

const references: Option = { words: ['keepref', 'delref', 'acked'], from: 2, release: { redis: '8.2', valkey: null } }

const options: ReadonlyMap<string, readonly Option[]> = new Map([
  [
    'set',
    [
      { words: ['ifeq'], from: 3, release: { redis: '8.4', valkey: '8.1' } },
      { words: ['ifne', 'ifdeq', 'ifdne'], from: 3, release: { redis: '8.4', valkey: null } },
    ],
  ],
  ['xadd', [references]],
  ['xtrim', [references]],
])

/** Whether one of them is known to be too old for this command with these options. Such a word among values may be taken for an option. */
export function isNewTo(name: string, args: ArgView, one: ServerName, other: ServerName): boolean {
  const command = commands.get(name)
  if (command !== undefined) return isBefore(one, command) || isBefore(other, command)
  for (const { words, from, release } of options.get(name) ?? [])
    if (hasAny(args, from, words)) return isBefore(one, release) || isBefore(other, release)
  return false
}

function hasAny(args: ArgView, from: number, words: readonly string[]): boolean {
  for (let i = from; i < args.argc; i++) for (const word of words) if (argIs(args, i, word)) return true
  return false
}
