/** Strings, bitmaps and HyperLogLogs: all three are bytes. */
import type { CommandWriter } from '../../resp/command-writer.ts'

const set = Buffer.from('SET')
const pxat = Buffer.from('PXAT')
const getrange = Buffer.from('GETRANGE')
const append = Buffer.from('APPEND')
const zero = Buffer.from('0')
const firstEnd = (bytes: number): Buffer => Buffer.from(String(bytes - 1))

/** A string of less than this is read at once and written by one SET; 64 KiB of each key of a batch is what a batch takes at most. */
export const wholeStringBytes = 65_536
/** A longer one goes in pieces of this size, which a server copies in well under a millisecond. */
export const stringWindowBytes = 1_048_576
const wholeEnd = firstEnd(wholeStringBytes)

/** What comes is the whole string if it is shorter than `wholeStringBytes`. */
export function askStart(out: CommandWriter, key: Buffer): void {
  out.begin(4).add(getrange).add(key).add(zero).add(wholeEnd)
}

export function askPiece(out: CommandWriter, key: Buffer, from: number): void {
  out.command(getrange, key, from, from + stringWindowBytes - 1)
}

export function writePiece(out: CommandWriter, key: Buffer, piece: Buffer): void {
  out.begin(3).add(append).add(key).add(piece)
}

/** Replaces whatever is there. `expiresAtMs` 0 = never. */
export function writeString(out: CommandWriter, key: Buffer, pieces: readonly Buffer[], expiresAtMs: number): void {
  out
    .begin(expiresAtMs === 0 ? 3 : 5)
    .add(set)
    .add(key)
    .addPieces(pieces)
  if (expiresAtMs !== 0) out.add(pxat).number(expiresAtMs)
}
