/**
 * From the bytes of a name to its spec, once per command: no string, no object. Open addressing over flat arrays; a subcommand is
 * found in the same table, its parent's id mixed into the hash.
 */
import { allCommands } from './catalogue.ts'
import { type CommandSpec, unknownCommand } from './spec.ts'

/** Room for each name; longer ones are not commands. */
const stride = 32
/** A power of two, about a fifth full. */
const slots = 2048

const slotSpecs: CommandSpec[] = new Array(slots).fill(unknownCommand)
const slotParents = new Int32Array(slots)
/** Length of the name; 0 = the slot is free. */
const slotLengths = new Uint8Array(slots)
const slotBytes = new Uint8Array(slots * stride)

/** Bit 5 folds the case of letters; that it folds some other bytes too costs a comparison, no more. */
function hashOf(parent: number, buf: Uint8Array, start: number, length: number): number {
  let hash = (parent << 5) + length
  for (let i = start, end = start + length; i < end; i++) hash = (Math.imul(hash, 31) + ((buf[i] as number) | 32)) | 0
  return (hash ^ (hash >>> 11)) & (slots - 1)
}

function sameName(slot: number, buf: Uint8Array, start: number, length: number): boolean {
  const at = slot * stride
  for (let i = 0; i < length; i++) {
    const wanted = slotBytes[at + i] as number
    const given = buf[start + i] as number
    if (given !== wanted && (given + 32 !== wanted || given < 65 || given > 90)) return false
  }
  return true
}

function find(parent: number, buf: Uint8Array, start: number, length: number): CommandSpec {
  if (length === 0 || length > stride) return unknownCommand
  for (let slot = hashOf(parent, buf, start, length); slotLengths[slot] !== 0; slot = (slot + 1) & (slots - 1)) {
    if (slotLengths[slot] === length && slotParents[slot] === parent && sameName(slot, buf, start, length)) {
      return slotSpecs[slot] as CommandSpec
    }
  }
  return unknownCommand
}

function insert(spec: CommandSpec, parent: number, name: string): void {
  const bytes = Buffer.from(name)
  if (bytes.length > stride) throw new Error(`command name ${name} is longer than ${stride} bytes`)
  let slot = hashOf(parent, bytes, 0, bytes.length)
  while (slotLengths[slot] !== 0) slot = (slot + 1) & (slots - 1)
  slotSpecs[slot] = spec
  slotParents[slot] = parent
  slotLengths[slot] = bytes.length
  slotBytes.set(bytes, slot * stride)
}

/** The spec of the command named by these bytes, in any case; `unknownCommand` when there is none. */
export function lookup(buf: Uint8Array, start: number, length: number): CommandSpec {
  return find(0, buf, start, length)
}

/** The subcommand of a Kind.Container; `unknownCommand` when it has none of that name. */
export function resolveSub(parent: CommandSpec, buf: Uint8Array, argStart: number, argLength: number): CommandSpec {
  return find(parent.id, buf, argStart, argLength)
}

const idByName = new Map(allCommands.map((spec) => [spec.name, spec.id]))
for (const spec of allCommands) {
  if (spec === unknownCommand) continue
  const bar = spec.name.indexOf('|')
  if (bar < 0) insert(spec, 0, spec.name)
  else insert(spec, idByName.get(spec.name.slice(0, bar)) as number, spec.name.slice(bar + 1))
}
