/** What Ferry does with each command, for people: the source of docs/commands.md. */
import { isAllowable } from './allowances.ts'
import { allCommands } from './catalogue.ts'
import { hasEffect } from './effects.ts'
import { type CommandSpec, Kind, unknownCommand } from './spec.ts'

const carriage: Readonly<Record<Kind, readonly [kind: string, carried: string]>> = {
  [Kind.ReadPlain]: ['read', 'one side, by the read mode'],
  [Kind.ReadKeyless]: ['read', 'the authority'],
  [Kind.ReadMovable]: ['read', 'one side, by the read mode'],
  [Kind.WritePlain]: ['write', 'both sides, as it is'],
  [Kind.WriteMovable]: ['write', 'both sides, as it is'],
  [Kind.WriteFar]: ['write', 'both sides, as it is; while they may differ, to a side that has the string'],
  [Kind.WriteByArguments]: ['write', 'by its arguments: as it is, with an absolute time, by copy, or as a read'],
  [Kind.WriteByCopy]: ['write', 'the authority, then its keys are copied'],
  [Kind.WriteGlobal]: ['write', 'both sides, behind a barrier'],
  [Kind.BothKeyless]: ['write', 'both sides, as it is'],
  [Kind.Script]: [
    'script',
    'the authority, then the keys it declares or is seen to write are copied; run on both sides where the settings name it',
  ],
  [Kind.Publish]: ['publish', 'both sides'],
  [Kind.Session]: ['session', 'answered by Ferry'],
  [Kind.Transaction]: ['transaction', 'one block on the authority, and its effects as one block on the other side'],
  [Kind.PubSub]: ['subscription', 'a connection of its own to the authority, moved at a flip'],
  [Kind.Blocking]: ['blocking', 'Ferry waits; when there is something, by its form that does not wait'],
  [Kind.Container]: ['container', 'by its subcommand'],
  [Kind.Refused]: ['refused', ''],
  [Kind.Unknown]: ['unknown', 'as a write whose keys are not known'],
}

const replicaWait = ['blocking', 'a connection of its own to the authority'] as const

const waitsForReplicas = ({ name }: CommandSpec) => name === 'wait' || name === 'waitaof'

const shownName = (spec: CommandSpec) => spec.name.toUpperCase().replace('|', ' ')

const shownReason = (spec: CommandSpec) =>
  spec.reason !== '' && isAllowable(spec.name) ? `${spec.reason}; allowCommands lets it through` : spec.reason

function line(spec: CommandSpec): string {
  const [kind, carried] = waitsForReplicas(spec) ? replicaWait : carriage[spec.kind]
  const effect = hasEffect(spec.name) ? 'by the effect that its reply tells, where it tells all; else ' : ''
  return `| ${shownName(spec)} | ${spec.family} | ${kind} | ${shownReason(spec) || effect + carried} |`
}

/** The whole of docs/commands.md. */
export function commandsPage(): string {
  const shown = allCommands.filter((spec) => spec !== unknownCommand && spec.kind !== Kind.Container)
  const sorted = shown.toSorted((a, b) => (shownName(a) < shownName(b) ? -1 : 1))
  return `# Commands

Made by \`node src/commands/support-doc.ts\`. What Ferry does with each command while it mirrors writes; for a refused one, why.
A command that is not in this table is taken for a write whose keys are not known, whatever its name looks like.

| command | family | kind | carried by |
|---|---|---|---|
${sorted.map(line).join('\n')}
`
}
