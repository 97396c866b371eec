/**
 * Strings that are too long for the first look at a batch, and too short to be worth a way of their own: read and written in one piece, as
 * long as the pieces of one batch do not take more memory than a batch may.
 */
import { type BulkReply, bulkReplies } from '../../resp/bulk-pieces.ts'
import { CommandWriter } from '../../resp/command-writer.ts'
import { Loan } from '../../upstream/chunks.ts'
import { contextOf } from '../../upstream/lane.ts'
import { exchangePieces } from '../key-transfer.ts'
import { ask, type Passage } from './passage.ts'
import type { TypedValue, WholeString } from './typed-value.ts'

/** A server reads or writes this much in well under a millisecond. */
const pieceBytesMax = 1_048_576
/** Of one batch; what does not fit is read in windows. */
const batchBytesMax = 16 * pieceBytesMax

const strlen = Buffer.from('STRLEN')
const get = Buffer.from('GET')

/** How it turned out, by key. Not there: it does not fit. `null`: the key is gone. A text is the server's refusal. */
type Outcomes = ReadonlyMap<Buffer, TypedValue | string | null>

export async function readWholeStrings(passage: Passage, keys: readonly Buffer[]): Promise<Outcomes> {
  if (keys.length < 2) return new Map()
  const sizes = await ask(passage, (out) => askEach(out, strlen, keys), expectedBytes(keys))
  let leftBytes = batchBytesMax
  const fitting = keys.filter(() => {
    const bytes = sizes.error() === null ? sizes.integer() : Number.POSITIVE_INFINITY
    if (bytes > pieceBytesMax || bytes > leftBytes) return false
    leftBytes -= bytes
    return true
  })
  return getAll(passage, fitting)
}

async function getAll({ from, db, stopped }: Passage, keys: readonly Buffer[]): Promise<Outcomes> {
  const outcomes = new Map<Buffer, TypedValue | string | null>()
  if (keys.length === 0 || stopped()) return outcomes
  const out = new CommandWriter(expectedBytes(keys))
  askEach(out, get, keys)
  const pieces = await exchangePieces(from, contextOf(2, db), keys.length, (lane) => out.writeTo(lane))
  const loan = new Loan(pieces, keys.length)
  const values = bulkReplies(pieces)
  for (const key of keys) {
    const value = values.next().value as BulkReply
    const isRead = typeof value !== 'string' && value !== null
    outcomes.set(key, isRead ? new LentString(value, loan) : value)
    if (!isRead) loan.done()
  }
  return outcomes
}

/** Put together only for whoever wants it in one piece. */
class LentString implements WholeString {
  readonly kind = 'string'
  readonly sizeBytes: number
  readonly pieces: readonly Buffer[]
  readonly #loan: Loan

  constructor(pieces: readonly Buffer[], loan: Loan) {
    this.pieces = pieces
    this.#loan = loan
    this.sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }

  done(): void {
    this.#loan.done()
  }
}

function askEach(out: CommandWriter, verb: Buffer, keys: readonly Buffer[]): void {
  for (const key of keys) out.begin(2).add(verb).add(key)
}

const expectedBytes = (keys: readonly Buffer[]): number => keys.reduce((sum, key) => sum + key.length + 64, 0)
