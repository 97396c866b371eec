/** Every command Ferry knows, built once from the generated table and the overlay. */
import { cursorCommands, derivingCommands, explicitCompare, explicitKinds, extraRows, refusedCommands } from './overlay.ts'
import { type CommandSpec, Compare, KeyForm, Kind, unknownCommand } from './spec.ts'
import { commandTable } from './table.generated.ts'

const alwaysWrite: ReadonlySet<Kind> = new Set<Kind>([
  Kind.WritePlain,
  Kind.WriteMovable,
  Kind.WriteFar,
  Kind.WriteByArguments,
  Kind.WriteByCopy,
  Kind.WriteGlobal,
  Kind.BothKeyless,
  Kind.Script,
  // Changes no data, but goes the way of a write: to both sides, and not past the gate.
  Kind.Publish,
])

function kindOf(name: string, flags: string, firstKey: number): Kind {
  if (refusedCommands.has(name)) return Kind.Refused
  const explicit = explicitKinds.get(name)
  if (explicit !== undefined) return explicit
  if (name.endsWith('|help')) return Kind.ReadKeyless
  if (flags.includes('w')) return Kind.WriteByCopy
  if (!flags.includes('r')) return Kind.Unknown
  if (flags.includes('m')) return Kind.ReadMovable
  return firstKey > 0 ? Kind.ReadPlain : Kind.ReadKeyless
}

function compareOf(name: string, flags: string, kind: Kind): Compare {
  const explicit = explicitCompare.get(name)
  if (explicit !== undefined) return explicit
  if (kind === Kind.ReadKeyless || flags.includes('?')) return Compare.Never
  return flags.includes('~') ? Compare.Unordered : Compare.Exact
}

/** Reads the shapes of key specs that occur; a new one stops the start of a development build rather than being guessed at. */
function keyFormOf(name: string, keySpecs: string): { keyForm: KeyForm; keyArg: number } {
  const numKeys = /^i(\d+):n0,1,1$/.exec(keySpecs)
  if (numKeys) return { keyForm: KeyForm.NumKeys, keyArg: Number(numKeys[1]) }
  if (keySpecs === '') return { keyForm: KeyForm.Range, keyArg: 0 }
  if (keySpecs === 'i1:n0,1,2') return { keyForm: KeyForm.MSetEx, keyArg: 1 }
  if (keySpecs === 'i1:r0,1,0;i2:n0,1,1') return { keyForm: KeyForm.StoreNumKeys, keyArg: 2 }
  if (keySpecs.startsWith('STREAMS@')) return { keyForm: KeyForm.Streams, keyArg: 0 }
  if (keySpecs.startsWith('i1:r0,1,0;?:?')) return { keyForm: KeyForm.Sort, keyArg: 0 }
  if (keySpecs.includes(';STOREDIST@')) return { keyForm: KeyForm.GeoRadius, keyArg: 0 }
  if (keySpecs.includes(';KEYS@')) return { keyForm: KeyForm.Migrate, keyArg: 0 }
  throw new Error(`key specs of ${name} are not understood: ${keySpecs}`)
}

function specOfRow(row: string, id: number): CommandSpec {
  const [name = '', arity, first, last, step, family = '', flags = '', keySpecs = ''] = row.split(' ')
  // A channel is not a key, whatever the cluster routing of SSUBSCRIBE says.
  const keyless = flags.includes('p')
  const firstKey = keyless ? 0 : Number(first)
  const kind = kindOf(name, flags, firstKey)
  return {
    name,
    id,
    kind,
    arity: Number(arity),
    firstKey,
    lastKey: keyless ? 0 : Number(last),
    keyStep: keyless ? 0 : Number(step),
    movable: keySpecs !== '',
    ...keyFormOf(name, keySpecs),
    write: alwaysWrite.has(kind) || kind === Kind.Unknown || flags.includes('w'),
    mayBlock: flags.includes('b') || kind === Kind.Blocking,
    derives: derivingCommands.has(name),
    cursor: cursorCommands.has(name),
    compare: compareOf(name, flags, kind),
    family,
    reason: refusedCommands.get(name) ?? '',
  }
}

/** Index = id; 0 is `unknownCommand`. */
export const allCommands: readonly CommandSpec[] = [
  unknownCommand,
  ...[
    ...commandTable,
    ...extraRows.filter((row) => !commandTable.some((known) => known.startsWith(row.slice(0, row.indexOf(' ') + 1)))),
  ].map((row, i) => specOfRow(row, i + 1)),
]

export const commandCount = allCommands.length
