/**
 * Gives a value that was written by its type the use that it had where it was read: no command but RESTORE sets it, so the server restores what
 * it dumps itself, in one script. Whatever puts the value in its place is in the same script or block, so that nobody finds it there with
 * another use, and nothing that somebody else has written is ever restored. RESTORE takes the end of the key, too: DUMP does not tell it.
 */
import type { CommandWriter } from '../../resp/command-writer.ts'
import type { Reply } from '../../resp/decode.ts'
import type { Access } from '../access-carry.ts'

/**
 * KEYS: the key, and from where it is renamed if it is free. ARGV: its end, the use, and what SET takes where it is a string. Answers 0 where
 * the place is taken, else what RESTORE said (nil: the end had passed already); an error where it came to neither.
 */
const script = Buffer.from(
  [
    'local r=1',
    "if KEYS[2] then r=redis.call('RENAMENX',KEYS[2],KEYS[1])",
    "elseif ARGV[4] then r=redis.call('SET',KEYS[1],unpack(ARGV,4)) end",
    'if not r or r==0 then return 0 end',
    "local v=redis.pcall('DUMP',KEYS[1])",
    "if type(v)=='string' then v=redis.pcall('RESTORE',KEYS[1],ARGV[1],v,'REPLACE','ABSTTL',ARGV[2],ARGV[3]) end",
    'return {1,v}',
  ].join(' '),
)

const evalVerb = Buffer.from('EVAL')
const nx = Buffer.from('NX')
const pxat = Buffer.from('PXAT')
const options = { IDLETIME: Buffer.from('IDLETIME'), FREQ: Buffer.from('FREQ') }

/** The use of a key, and its end: Unix time in ms, 0 = none. */
export interface Use {
  readonly access: Access
  readonly expiresAtMs: number
}

/** Of what is in its place by then, earlier in the same block. */
export function giveUse(out: CommandWriter, key: Buffer, use: Use): void {
  out.begin(7).add(evalVerb).add(script).number(1).add(key)
  addUse(out, use)
}

/** Renames it, unless something is there. */
export function moveUsed(out: CommandWriter, name: Buffer, key: Buffer, use: Use): void {
  out.begin(8).add(evalVerb).add(script).number(2).add(key).add(name)
  addUse(out, use)
}

/** `isNew`: unless something is there. */
export function setUsed(out: CommandWriter, key: Buffer, pieces: readonly Buffer[], use: Use, isNew: boolean): void {
  const { expiresAtMs } = use
  out
    .begin(8 + (isNew ? 1 : 0) + (expiresAtMs === 0 ? 0 : 2))
    .add(evalVerb)
    .add(script)
    .number(1)
    .add(key)
  addUse(out, use)
  out.addPieces(pieces)
  if (isNew) out.add(nx)
  if (expiresAtMs !== 0) out.add(pxat).number(expiresAtMs)
}

function addUse(out: CommandWriter, { access, expiresAtMs }: Use): void {
  out.number(expiresAtMs).add(options[access.option]).number(access.value)
}

/** What RESTORE said, as far as it came to that; null: the place is taken. */
export const saidOfUse = (reply: Reply): { readonly reply: Reply } | null =>
  Array.isArray(reply) ? { reply: reply[1] as Reply } : null
