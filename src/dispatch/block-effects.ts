/** What the follower gets of a transaction that the authority has run: decided by EXEC's reply alone, command by command. */
import { argInteger } from '../commands/arg-view.ts'
import { effectOf } from '../commands/effects.ts'
import type { ServerName } from '../commands/server-name.ts'
import { Kind } from '../commands/spec.ts'
import { decodeReply, type Reply } from '../resp/decode.ts'
import type { BlockCommand } from './block.ts'
import { changedKeys, type DbKey, framesIn } from './command-keys.ts'

/** One command for the follower. `expected` null: any reply that is no error. */
export interface FollowerStep {
  readonly db: number
  readonly frame: Buffer
  readonly expected: Buffer | null
  readonly keys: readonly DbKey[]
  /** On all keys: if it fails, nothing is known of any. */
  readonly global: boolean
  /** FUNCTION LOAD and its like: if it fails, the two sides have different libraries. */
  readonly library: boolean
}

export interface FollowerPart {
  readonly steps: readonly FollowerStep[]
  /** Keys that have to be copied. */
  readonly doubted: readonly DbKey[]
  /** Why anything may have changed, or null. */
  readonly doubtAll: string | null
}

/** The replies to one command of a block, whole. */
export interface Told {
  readonly own: Buffer
  readonly companion: Buffer | null
}

export interface Servers {
  readonly authority: ServerName
  readonly follower: ServerName
}

type Outcome = { readonly frames: readonly Buffer[]; readonly expected: readonly (Buffer | null)[] } | 'copy' | 'none'

export function followerPart(commands: readonly BlockCommand[], replies: readonly Told[], servers: Servers): FollowerPart {
  const steps: FollowerStep[] = []
  const doubted: DbKey[] = []
  const tainted = new Set<string>()
  let doubtAll: string | null = null
  commands.forEach((command, i) => {
    const { spec, db, keys, carriage } = command
    if (!spec.write) return
    const outcome = outcomeOf(command, replies[i] as Told, servers)
    if (outcome === 'none') return
    if (spec.name === 'swapdb') {
      const moved = swapped(command.bytes, doubted)
      for (const key of moved) {
        tainted.add(nameOf(key))
        doubted.push(key)
      }
    }
    if (carriage.how === 'copy' && carriage.script === undefined && outcome === 'copy') doubtAll ??= carriage.unknownKeys
    // What is computed on the follower from a key that the block left without its value there comes out wrong, and may be answered alike.
    if (outcome === 'copy' || keys.some((key) => tainted.has(nameOf(key)))) {
      for (const key of keys) tainted.add(nameOf(key))
      for (const key of changedKeys(spec, keys)) doubted.push(key)
      return
    }
    const global = spec.kind === Kind.WriteGlobal
    const library = spec.name.startsWith('function|')
    outcome.frames.forEach((frame, n) => {
      steps.push({ db, frame, expected: outcome.expected[n] ?? null, keys, global, library })
    })
  })
  return { steps, doubted, doubtAll }
}

function outcomeOf(command: BlockCommand, told: Told, servers: Servers): Outcome {
  const { spec, carriage } = command
  if (isError(told.own)) return mayHaveRun(command, told.own) ? 'copy' : 'none'
  if (carriage.how === 'both') return { frames: [command.bytes], expected: [carriage.compared ? told.own : null] }
  const companion: Reply | undefined = told.companion === null ? undefined : decodeReply(told.companion).value
  const effect = effectOf(spec.name, command.argv, decodeReply(told.own).value, servers.follower, {
    authority: servers.authority,
    companion,
  })
  return effect.how === 'frames' ? effect : effect.how
}

/** The names that keys have after a SWAPDB; those that lie in neither database keep theirs. */
function swapped(swapdb: Buffer, keys: readonly DbKey[]): DbKey[] {
  for (const args of framesIn(swapdb, 0, swapdb.length)) {
    const [first, second] = [argInteger(args, 1), argInteger(args, 2)]
    return keys
      .filter(({ db }) => db === first || db === second)
      .map(({ db, key }) => ({ db: db === first ? second : first, key }))
  }
  return []
}

/** A script that fails keeps what it wrote until then; of a module's command nothing is known. */
function mayHaveRun({ spec }: BlockCommand, error: Buffer): boolean {
  if (spec.kind === Kind.Script) return !error.toString('latin1').startsWith('-NOSCRIPT')
  return spec.kind === Kind.Unknown && !error.toString('latin1').startsWith('-ERR unknown command')
}

export const isError = (reply: Buffer): boolean => reply[0] === 45 || reply[0] === 33

const nameOf = ({ db, key }: DbKey): string => `${db}:${key.toString('latin1')}`
