/**
 * Reads values by their type, for servers that do not take each other's payloads. What is short comes with the whole batch in a few round
 * trips; what is long is read in windows, each of which is on its way to the other side while the next one is read.
 */
import { momentOf, type Payload, relativeOnly } from '../key-transfer.ts'
import { isOfElements, readElements } from './elements-read.ts'
import { ask, type Found, type Passage, readWhole } from './passage.ts'
import { eachOf } from './some-at-once.ts'
import { Staged } from './staging.ts'
import { readStream } from './stream-read.ts'
import { StreamedString } from './streamed-string.ts'
import { askPiece, askStart, stringWindowBytes, wholeStringBytes, writePiece } from './strings.ts'
import type { TypedValue } from './typed-value.ts'
import { discardStaged } from './typed-write.ts'
import { readWholeStrings } from './whole-strings.ts'
import { rest } from './windows.ts'

/** Reading a batch takes much less. */
const soonEndMs = 5_000
/** From here on a string is one long argument. */
const streamedBytes = 4 << 20
/** Each holds two pieces, and keeps the servers busy while another one waits. */
const longStringsAtOnce = 2
/** Streams take some round trips even where they are short. */
const streamsAtOnce = 32

const typeVerb = Buffer.from('TYPE')
const momentVerb = Buffer.from('PEXPIRETIME')
const restVerb = Buffer.from('PTTL')

export const readsByType = (type: string): boolean =>
  type === 'none' || type === 'string' || type === 'stream' || isOfElements(type)

/** In the order of the keys. Rejects with TransferLost where the reading side goes; what the writing side said is found out by writing. */
export async function readTyped(passage: Passage, keys: readonly Buffer[]): Promise<Payload[]> {
  if (keys.length === 0) return []
  const all = await findAll(passage, keys)
  const present = all.filter(({ type, error }) => error === null && type !== 'none')
  const strings = present.filter(({ type }) => type === 'string')
  const streams = present.filter(({ type }) => type === 'stream')
  for (const found of present) {
    if (!readsByType(found.type)) found.error = unknownType(passage, found.type)
  }
  const ofElements = present.filter(({ type }) => isOfElements(type))
  await Promise.all([
    readStrings(passage, strings),
    readElements(passage, ofElements),
    eachOf(streams, streamsAtOnce, (found) => readWhole(found, readStream(passage, found.key))),
  ])
  await letGoOfGone(passage, present)
  return all.map(({ key, expiresAtMs, typed, error }) => ({ key, bytes: null, typed, expiresAtMs, error }))
}

/** As `readTyped`, of strings alone: null for a key that has another type. */
export async function readTypedStrings(passage: Passage, keys: readonly Buffer[]): Promise<(Payload | null)[]> {
  const all = await findAll(passage, keys)
  const strings = all.filter(({ type, error }) => error === null && type === 'string')
  await readStrings(passage, strings)
  await letGoOfGone(passage, strings)
  return all.map(({ key, type, expiresAtMs, typed, error }) =>
    error === null && type !== 'string' && type !== 'none' ? null : { key, bytes: null, typed, expiresAtMs, error },
  )
}

/** A key that expired or was evicted while it was read looks like an empty or a shorter one. Only where that can be is it asked for again. */
async function letGoOfGone(passage: Passage, present: readonly Found[]): Promise<void> {
  const { from, to, db } = passage
  const soonMs = Date.now() + from.clockOffsetMs + soonEndMs
  const doubtful = present.filter(({ typed, expiresAtMs }) => {
    if (typed === null) return false
    return typed.kind === 'staged' || typed.sizeBytes === 0 || (expiresAtMs !== 0 && expiresAtMs < soonMs)
  })
  if (doubtful.length === 0 || passage.stopped()) return
  const replies = await ask(passage, (out) => {
    for (const { key } of doubtful) out.command('EXISTS', key)
  })
  const gone = doubtful.filter((found) => {
    found.error = replies.error()
    return found.error === null && replies.integer() === 0
  })
  await discardStaged(
    to,
    db,
    gone.map(({ typed }) => typed),
  )
  for (const found of gone) found.typed = null
}

const unknownType = ({ to, route }: Passage, type: string): string =>
  `values of type ${type} can only be copied by DUMP, which the ${to.side} does not take: ${route.refusal ?? 'Bad data format'}`

export async function findAll(passage: Passage, keys: readonly Buffer[]): Promise<Found[]> {
  const { from } = passage
  const relative = relativeOnly.has(from)
  const replies = await ask(
    passage,
    (out) => {
      for (const key of keys) {
        out.begin(2).add(typeVerb).add(key)
        out
          .begin(2)
          .add(relative ? restVerb : momentVerb)
          .add(key)
      }
    },
    keys.reduce((sum, key) => sum + 2 * key.length + 64, 0),
  )
  const clockMs = relative ? Date.now() + from.clockOffsetMs : 0
  const all: Found[] = []
  for (const key of keys) {
    let error = replies.error()
    let type = error === null ? replies.line() : 'none'
    const refusal = replies.error()
    if (refusal !== null && !relative && /unknown command/i.test(refusal)) {
      relativeOnly.add(from)
      return findAll(passage, keys)
    }
    error ??= refusal
    const saidMs = refusal === null ? replies.integer() : -1
    // It expired between the two commands.
    if (saidMs === -2) type = 'none'
    all.push({ key, type, expiresAtMs: momentOf(saidMs, clockMs), typed: null, error })
  }
  return all
}

async function readStrings(passage: Passage, all: readonly Found[]): Promise<void> {
  if (all.length === 0) return
  const { route } = passage
  // Where strings are long they would be read as far as their first part only to be read again.
  const areLong = route.longStrings
  const short = areLong ? await withoutWhole(passage, all) : all
  const long = await readShortStrings(passage, short)
  const isLong = ({ typed }: Found): boolean => (typed?.sizeBytes ?? 0) >= wholeStringBytes
  // One that is copied by itself says nothing of the others.
  if (all.length > 1) route.longStrings = (all.filter(isLong).length + long.length) * 2 > all.length
  const found = long.map((one) => one.found)
  // Once per batch, or it would take more memory than a batch may.
  const longer = areLong ? found : await withoutWhole(passage, found)
  const starts = new Map(long.map((one) => [one.found, one.start]))
  await eachOf(longer, longStringsAtOnce, (one) => readWhole(one, readLongString(passage, one.key, starts.get(one) as Buffer)))
}

/** Reads those that can be had in one piece; the others are left. */
async function withoutWhole(passage: Passage, all: readonly Found[]): Promise<readonly Found[]> {
  const whole = await readWholeStrings(
    passage,
    all.map(({ key }) => key),
  )
  return all.filter((found) => {
    const value = whole.get(found.key)
    if (typeof value === 'string') found.error = value
    else found.typed = value ?? null
    return value === undefined
  })
}

/** Those that turn out to be longer are left, each with how it begins. */
async function readShortStrings(passage: Passage, all: readonly Found[]): Promise<{ found: Found; start: Buffer }[]> {
  const long: { found: Found; start: Buffer }[] = []
  if (all.length === 0) return long
  const replies = await ask(
    passage,
    (out) => {
      for (const { key } of all) askStart(out, key)
    },
    all.reduce((sum, { key }) => sum + key.length + 64, 0),
  )
  for (const found of all) {
    found.error = replies.error()
    if (found.error !== null) continue
    const bytes = replies.bulk() as Buffer
    if (bytes.length < wholeStringBytes) found.typed = { kind: 'string', sizeBytes: bytes.length, bytes }
    else long.push({ found, start: bytes })
  }
  return long
}

async function readLongString(passage: Passage, key: Buffer, start: Buffer): Promise<TypedValue | string | null> {
  const sizes = await ask(passage, (out) => out.command('STRLEN', key))
  const unsized = sizes.error()
  if (unsized !== null) return unsized
  const length = sizes.integer()
  if (length > streamedBytes) return readStreamed(passage, key, length)
  const staged = new Staged(passage.to, passage.db, passage.placeOf(key))
  let sizeBytes = start.length
  staged.send((out, name) => writePiece(out, name, start), 0)
  for (;;) {
    const replies = await ask(passage, (out) => askPiece(out, key, sizeBytes))
    const error = replies.error()
    if (error !== null) return error
    const piece = replies.bulk() as Buffer
    await staged.answered
    if (piece.length > 0) staged.send((out, name) => writePiece(out, name, piece), 0)
    sizeBytes += piece.length
    await rest(passage, piece.length, staged)
    if (piece.length < stringWindowBytes || staged.failed || passage.stopped()) return { kind: 'staged', sizeBytes, staged }
  }
}

/** Null where it is shorter by now than it was: it is gone, or somebody else writes to it past Ferry. */
async function readStreamed(passage: Passage, key: Buffer, length: number): Promise<TypedValue | string | null> {
  const staged = await StreamedString.open(passage.to, passage.db, passage.placeOf(key), length)
  if (typeof staged === 'string') return staged
  const error = await streamString(passage, key, staged)
  if (error !== null || staged.isCut) return error
  return { kind: 'staged', sizeBytes: length, staged }
}

/** Sends the whole of it on its way, or cuts it; the reading side's words where it did not give it. */
export async function streamString(passage: Passage, key: Buffer, staged: StreamedString): Promise<string | null> {
  for (let at = 0; at < staged.sizeBytes && !staged.failed; ) {
    const wanted = Math.min(stringWindowBytes, staged.sizeBytes - at)
    const replies = await ask(passage, (out) => askPiece(out, key, at)).catch((error: Error) => {
      staged.cut(error.message)
      throw error
    })
    const error = replies.error()
    const piece = error === null ? (replies.bulk() as Buffer).subarray(0, wanted) : null
    if (piece === null || piece.length < wanted || passage.stopped()) {
      staged.cut(error ?? 'it was not wanted any more')
      return error
    }
    await staged.write(piece)
    await rest(passage, piece.length, null)
    at += wanted
  }
  return null
}
