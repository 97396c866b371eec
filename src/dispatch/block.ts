/** A transaction as it goes to a server: MULTI, the commands, EXEC, in one write. Made anew for every attempt to send it. */
import { argBytes } from '../commands/arg-view.ts'
import { companionOf, tellsEffect } from '../commands/effects.ts'
import { unknownFacts } from '../commands/scripts.ts'
import type { ServerName } from '../commands/server-name.ts'
import { type CommandSpec, Compare, Kind } from '../commands/spec.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Carriage } from './carriage.ts'
import type { Carrier } from './carrier.ts'
import { type DbKey, framesIn } from './command-keys.ts'
import type { Frame } from './frame.ts'
import type { LanePair } from './lane-pair.ts'
import type { ScriptCall } from './script-path.ts'

/** One command as its client queued it. `bytes` are owned; `db` is where it will run, by the SELECTs before it. */
export interface QueuedCommand {
  readonly spec: CommandSpec
  readonly bytes: Buffer
  readonly db: number
}

export interface BlockCommand {
  readonly spec: CommandSpec
  readonly db: number
  /** As the authority gets it. */
  readonly bytes: Buffer
  readonly carriage: Carriage
  readonly keys: readonly DbKey[]
  /** Empty where its own bytes go to both sides. */
  readonly argv: readonly Buffer[]
  /** A read right behind it that tells the rest of its effect; its reply is not the client's. */
  readonly companion: Buffer | null
}

export interface Block {
  readonly commands: readonly BlockCommand[]
  /** What it writes. */
  readonly keys: readonly DbKey[]
  readonly writes: boolean
  /** The same bytes mean the same on both sides, and are answered alike. */
  readonly plain: boolean
  /** The commands on all keys in it. */
  readonly global: readonly BlockCommand[]
  /** Scripts that run on the authority alone. */
  readonly scripts: readonly ScriptCall[]
  /** What those declare: copied after they ran. A key of another command is not among them unless they share it. */
  readonly scriptKeys: readonly DbKey[]
  /** Whether it has a SELECT in it: the connection is then brought back to where it was. */
  readonly moves: boolean
  /** The client's reply out of the commands' own, where that is not simply all of them. Called once, and only if EXEC ran. */
  readonly shape: ((elements: readonly Buffer[]) => Buffer) | null
}

const multi = encodeCommand(['MULTI'])
const exec = encodeCommand(['EXEC'])

/** @param follower where effects go, or null where they go nowhere. */
export function makeBlock(
  carrier: Carrier,
  pair: LanePair,
  queued: readonly QueuedCommand[],
  follower: ServerName | null,
  shape: Block['shape'],
): Block {
  const carriedAlone = queued.map((command) => carried(carrier, pair, command, follower))
  const asQueued = carriedAlone.some(changesLibraries) ? carriedAlone.map(withUnknownFunction) : carriedAlone
  const alike = asQueued.every(isPlain)
  const commands = alike ? asQueued : asQueued.map(withoutBlindRerun)
  const global = commands.filter(({ spec }) => spec.kind === Kind.WriteGlobal)
  const scripted = commands.filter(({ carriage }) => carriage.how === 'copy' && carriage.script !== undefined)
  const moves = queued.some(({ spec }) => spec.name === 'select')
  return {
    commands,
    keys: commands.flatMap(({ spec, keys }) => (spec.write ? keys : [])),
    writes: commands.some(({ spec }) => spec.write),
    plain: shape === null && !moves && global.length === 0 && alike,
    global,
    scripts: scripted.flatMap(({ carriage }) => carriage.script ?? []),
    scriptKeys: scripted.flatMap(({ keys }) => keys),
    moves,
    shape,
  }
}

function carried(
  carrier: Carrier,
  pair: LanePair,
  { spec, bytes, db }: QueuedCommand,
  follower: ServerName | null,
): BlockCommand {
  for (const args of framesIn(bytes, 0, bytes.length)) {
    const whole = { spec, db, bytes, argv: [], companion: null }
    const frame: Frame = { buf: bytes, start: 0, end: bytes.length, pieces: null }
    if (spec.kind === Kind.WriteGlobal) return { ...whole, carriage: { how: 'both', frame, compared: true }, keys: [] }
    const { carriage, keys } = carrier.carry(pair, spec, args, frame, db)
    // Nothing has to mean the same anywhere else.
    if (follower === null) return { ...whole, carriage, keys }
    if (carriage.how === 'both') {
      const { buf, start, end } = carriage.frame
      return { ...whole, bytes: buf.subarray(start, end), carriage, keys }
    }
    const { instead } = carriage
    const argv = instead?.argv ?? Array.from({ length: args.argc }, (_, i) => argBytes(args, i))
    const told = tellsEffect(spec.name, argv, follower)
    return {
      ...whole,
      bytes: instead?.frame.buf ?? bytes,
      carriage,
      keys,
      argv,
      companion: told ? null : companionOf(spec.name, argv),
    }
  }
  throw new Error('a queued command was no frame')
}

/** Where the block changes the libraries, what is known of their functions is not what its FCALL will find. */
function withUnknownFunction(command: BlockCommand): BlockCommand {
  const { carriage } = command
  if (carriage.script === undefined || carriage.script.sha !== null) return command
  return { ...command, carriage: { ...carriage, script: { ...carriage.script, facts: unknownFacts } } }
}

/** A script that runs on both sides and may read any key must not find one that the block changes on the authority alone. */
function withoutBlindRerun(command: BlockCommand): BlockCommand {
  const { script } = command.carriage
  if (command.carriage.how === 'copy' || script === undefined || script.facts.declaredOnly) return command
  const unknownKeys = command.keys.length === 0 ? 'a script without declared keys' : null
  return { ...command, carriage: { how: 'copy', unknownKeys, script } }
}

/** A read that two equal servers answer differently would put every key of the block in doubt. */
function isPlain({ spec, carriage }: BlockCommand): boolean {
  // What becomes of a library is told by its own reply, not by that of the whole block.
  if (spec.name.startsWith('function|')) return false
  return carriage.how === 'both' && carriage.compared && (spec.write || spec.compare === Compare.Exact)
}

export const hasCompanions = ({ commands }: Block): boolean => commands.some(({ companion }) => companion !== null)

/** The keys of commands that need a companion are copied then. */
export const withoutCompanions = (block: Block): Block => ({
  ...block,
  commands: block.commands.map((command) => ({ ...command, companion: null })),
})

/** Whether some command in it goes under another name, to which its user may have lost the right. */
export const renames = ({ commands }: Block): boolean =>
  commands.some(({ carriage }) => carriage.how === 'both' && Boolean(carriage.renamed))

/** FUNCTION LOAD and its like. */
export const changesLibraries = ({ spec }: BlockCommand): boolean => spec.write && spec.name.startsWith('function|')

/** What it may have written to; null: perhaps any key. */
export function writtenKeys({ commands, global, keys }: Block): readonly DbKey[] | null {
  const anything = global.length > 0 || commands.some(({ carriage }) => carriage.how === 'copy' && carriage.unknownKeys !== null)
  return anything ? null : keys
}

/** The bytes for the authority, and how many replies come before and after EXEC's. */
export function authorityBytes(block: Block, db: number): { bytes: Buffer; before: number; after: number } {
  const parts = [multi]
  for (const { bytes, companion } of block.commands) {
    parts.push(bytes)
    if (companion !== null) parts.push(companion)
  }
  const before = parts.length
  parts.push(exec)
  if (block.moves) parts.push(selectFrame(db))
  return { bytes: Buffer.concat(parts), before, after: block.moves ? 1 : 0 }
}

/** Steps in several databases as one transaction that ends in the database where it began. */
export function blockBytes(
  steps: readonly { readonly db: number; readonly frame: Buffer }[],
  db: number,
): { bytes: Buffer; before: number; after: number } {
  const parts = [multi]
  let now = db
  for (const step of steps) {
    if (step.db !== now) parts.push(selectFrame(step.db))
    now = step.db
    parts.push(step.frame)
  }
  const before = parts.length
  parts.push(exec)
  if (now !== db) parts.push(selectFrame(db))
  return { bytes: Buffer.concat(parts), before, after: now === db ? 0 : 1 }
}

const selectFrame = (db: number): Buffer => encodeCommand(['SELECT', db])
