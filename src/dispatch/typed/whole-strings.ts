/**
 * Strings that are too long for the first look at a batch, and too short to be worth a way of their own: read and written in one piece, as
 * long as the pieces of one batch do not take more memory than a batch may.
 */
import type { ReplyCursor } from '../../resp/reply-cursor.ts'
import { ask, type Passage } from './passage.ts'
import type { TypedValue } from './typed-value.ts'

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
  const sizes = await askEach(passage, strlen, keys)
  let leftBytes = batchBytesMax
  const fitting = keys.filter(() => {
    const bytes = sizes.error() === null ? sizes.integer() : Number.POSITIVE_INFINITY
    if (bytes > pieceBytesMax || bytes > leftBytes) return false
    leftBytes -= bytes
    return true
  })
  return getAll(passage, fitting)
}

/** Whole, whatever it takes: the caller knows how long they are. */
export async function getAll(passage: Passage, keys: readonly Buffer[]): Promise<Outcomes> {
  const outcomes = new Map<Buffer, TypedValue | string | null>()
  if (keys.length === 0 || passage.stopped()) return outcomes
  const values = await askEach(passage, get, keys)
  for (const key of keys) {
    const error = values.error()
    const bytes = error === null ? values.bulk() : null
    outcomes.set(key, error ?? (bytes === null ? null : { kind: 'string', sizeBytes: bytes.length, bytes }))
  }
  return outcomes
}

const askEach = (passage: Passage, verb: Buffer, keys: readonly Buffer[]): Promise<ReplyCursor> =>
  ask(
    passage,
    (out) => {
      for (const key of keys) out.begin(2).add(verb).add(key)
    },
    keys.reduce((sum, key) => sum + key.length + 64, 0),
  )
