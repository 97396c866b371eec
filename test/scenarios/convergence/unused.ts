/** Which write commands of Ferry's table a run has not used. */
import { allCommands } from '../../../src/commands/catalogue.ts'
import { type CommandSpec, Kind } from '../../../src/commands/spec.ts'
import type { Engine } from './engine.ts'

/** Kinds that change data, a server or what subscribers hear. */
const kinds: ReadonlySet<Kind> = new Set<Kind>([
  Kind.WritePlain,
  Kind.WriteMovable,
  Kind.WriteFar,
  Kind.WriteByArguments,
  Kind.WriteByCopy,
  Kind.WriteGlobal,
  Kind.BothKeyless,
  Kind.Script,
  Kind.Publish,
  Kind.Blocking,
  Kind.Transaction,
])

/** Not part of a random load, each with its reason. */
export const exceptions: ReadonlyMap<string, string> = new Map([
  ['wait', 'its answer is the number of replicas, which these servers have none of'],
  ['waitaof', 'it fails on servers without an append only file, as these are'],
  ['unwatch', 'the optimists give up only where a side is away'],
  ['flushall', 'it is issued in the first tenth of a run only, seldom, since it empties what the checks know'],
])

const isWrite = ({ kind, name }: CommandSpec): boolean => kinds.has(kind) && name !== 'unknown'

export const unusedWrites = (engine: Engine, ran: ReadonlyMap<string, number>): string[] =>
  allCommands
    .filter((spec) => isWrite(spec) && engine.commands.has(spec.name) && !ran.has(spec.name) && !exceptions.has(spec.name))
    .map(({ name }) => name)
