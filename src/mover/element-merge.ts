/**
 * Adds the elements of the source's hashes, sets and sorted sets to those of the target: hash fields where they are absent, with their ends;
 * members; scores over the target's. Window by window straight onto the key: each of these can be done again without another outcome, so a
 * merge that was cut off is simply done anew. The key's own end is the target's.
 */
import { endsOf } from '../dispatch/typed/elements-read.ts'
import { hashes } from '../dispatch/typed/hashes.ts'
import { ask, type Passage, stepFor } from '../dispatch/typed/passage.ts'
import { sets } from '../dispatch/typed/sets.ts'
import type { Elements, Shape } from '../dispatch/typed/shape.ts'
import { sortedSets } from '../dispatch/typed/sorted-sets.ts'
import { reasonOf } from '../dispatch/typed/typed-write.ts'
import { rest } from '../dispatch/typed/windows.ts'
import { CommandWriter } from '../resp/command-writer.ts'
import { eachToItsEnd } from './each-to-its-end.ts'
import type { KeyEnds } from './key-end.ts'
import { askSide } from './side-question.ts'

/** A value of no more elements and bytes comes with its whole batch. */
const wholeElements = 1_000
const wholeBytes = 65_536
const longAtOnce = 4
const hsetnx = Buffer.from('HSETNX')

const shapes = new Map([hashes, sets, sortedSets].map((shape) => [shape.type, shape]))

/** A key that both sides have, with a value of this type. */
export interface Meeting {
  readonly key: Buffer
  /** Its name on the target. */
  readonly place: Buffer
  readonly type: string
}

interface Read {
  readonly meeting: Meeting
  readonly shape: Shape
  readonly elements: Elements
  readonly bytes: number
}

/** Rejects with TransferLost. */
export async function mergeElements(passage: Passage, meetings: readonly Meeting[], ends: KeyEnds): Promise<void> {
  if (meetings.length === 0) return
  const replies = await ask(passage, (out) => {
    for (const { key, type } of meetings) {
      out.begin(2).add(shapeOf(type).countVerb).add(key)
      out.command('MEMORY', 'USAGE', key)
    }
  })
  const short: { meeting: Meeting; sizeBytes: number }[] = []
  const long: { meeting: Meeting; step: number }[] = []
  for (const meeting of meetings) {
    const error = replies.error()
    const count = error === null ? replies.integer() : 0
    const sizeBytes = replies.error() === null ? (replies.isInteger ? replies.integer() : (replies.bulk()?.length ?? 0)) : 0
    const step = stepFor(sizeBytes, count)
    if (error !== null) ends.set(meeting.key, { kind: 'failed', error, side: 'source' })
    else if (count <= Math.min(step, wholeElements) && sizeBytes <= wholeBytes) short.push({ meeting, sizeBytes })
    else long.push({ meeting, step })
  }
  await mergeShort(passage, short, ends)
  await eachToItsEnd(long, longAtOnce, ({ meeting, step }) => mergeLong(passage, meeting, step, ends))
}

const shapeOf = (type: string): Shape => shapes.get(type) as Shape

async function mergeShort(
  passage: Passage,
  all: readonly { meeting: Meeting; sizeBytes: number }[],
  ends: KeyEnds,
): Promise<void> {
  if (all.length === 0) return
  const replies = await ask(passage, (out) => {
    for (const { meeting } of all) shapeOf(meeting.type).askAll(out, meeting.key)
  })
  const read: Read[] = []
  for (const { meeting, sizeBytes } of all) {
    const shape = shapeOf(meeting.type)
    const error = replies.error()
    const flat = error === null ? shape.readAll(replies) : []
    if (error !== null) ends.set(meeting.key, { kind: 'failed', error, side: 'source' })
    else if (flat.length === 0) ends.set(meeting.key, { kind: 'absent' })
    else read.push({ meeting, shape, elements: { flat, ends: null }, bytes: sizeBytes })
  }
  const told = await withFieldEnds(passage, read, ends)
  for (const { meeting, elements } of told) if (elements.flat.length === 0) ends.set(meeting.key, { kind: 'absent' })
  const ready = told.filter(({ elements }) => elements.flat.length > 0)
  const errors = await addAll(passage, ready)
  ready.forEach(({ meeting: { key }, bytes }, i) => {
    const error = errors[i] as string | null
    ends.set(key, error === null ? { kind: 'copied', bytes } : { kind: 'failed', error, side: 'target' })
  })
}

async function mergeLong(passage: Passage, meeting: Meeting, step: number, ends: KeyEnds): Promise<void> {
  const { key, type } = meeting
  const shape = shapeOf(type)
  let bytes = 0
  for (let cursor: string | null = '0'; cursor !== null; ) {
    const at: string = cursor
    const replies = await ask(passage, (out) => shape.askWindow(out, key, at, step))
    const unread = replies.error()
    if (unread !== null) return void ends.set(key, { kind: 'failed', error: unread, side: 'source' })
    const { flat, next } = shape.readWindow(replies, at, step)
    const window = { meeting, shape, elements: { flat, ends: null }, bytes: replies.bytes.length }
    const ready = flat.length === 0 ? [] : await withFieldEnds(passage, [window], ends)
    if (ends.has(key)) return
    const [error] = await addAll(
      passage,
      ready.filter(({ elements }) => elements.flat.length > 0),
    )
    if (typeof error === 'string') return void ends.set(key, { kind: 'failed', error, side: 'target' })
    bytes += replies.bytes.length
    await rest(passage, replies.bytes.length, null)
    cursor = next
  }
  // Where there is a pace each window is counted by itself.
  ends.set(key, { kind: 'copied', bytes: passage.windows === null ? bytes : 0 })
}

/** Hashes get the ends of their fields, and lose those that have expired since; one whose ends cannot be told fails. */
async function withFieldEnds(passage: Passage, all: readonly Read[], ends: KeyEnds): Promise<Read[]> {
  const ofHashes = all.filter(({ shape }) => shape === hashes)
  const told = await endsOf(
    passage,
    ofHashes.map(({ meeting, elements }) => ({ key: meeting.key, flat: elements.flat })),
  )
  return all.flatMap((read) => {
    const elements = read.shape === hashes ? (told.shift() as Elements | string) : read.elements
    if (typeof elements !== 'string') return [{ ...read, elements }]
    ends.set(read.meeting.key, { kind: 'failed', error: elements, side: 'source' })
    return []
  })
}

/** Per value, in order: null where it was added, else why not. */
async function addAll(passage: Passage, all: readonly Read[]): Promise<(string | null)[]> {
  if (all.length === 0) return []
  const { to, db } = passage
  const absent = await absentFields(passage, all)
  const out = new CommandWriter()
  const counts = all.map(({ meeting: { place }, shape, elements }, i) => {
    const before = out.commands
    const fields = absent[i] as Elements | string | null
    if (typeof fields === 'string') return 0
    if (fields !== null) {
      // Fields that expire get their ends in the same step, or one that is cut off would live for ever.
      if (fields.flat.length > 0) {
        out.command('MULTI')
        shape.write(out, place, fields)
        out.command('EXEC')
      }
    } else if (shape === hashes) addFields(out, place, elements.flat)
    else shape.write(out, place, elements)
    return out.commands - before
  })
  const replies = await askSide(to, db, out)
  return all.map((_, i) => {
    const unasked = absent[i] as Elements | string | null
    let first = typeof unasked === 'string' ? unasked : null
    for (let left = counts[i] as number; left > 0; left--) {
      const error = replies.firstError()
      first ??= error
    }
    return first === null ? null : reasonOf(to, first)
  })
}

function addFields(out: CommandWriter, place: Buffer, flat: readonly Buffer[]): void {
  for (let i = 0; i + 1 < flat.length; i += 2) {
    out
      .begin(4)
      .add(hsetnx)
      .add(place)
      .add(flat[i] as Buffer)
      .add(flat[i + 1] as Buffer)
  }
}

/** Of hashes with fields that expire: those fields that the target does not have, or why that cannot be told. Null for everything else. */
async function absentFields({ to, db }: Passage, all: readonly Read[]): Promise<(Elements | string | null)[]> {
  const out = new CommandWriter()
  for (const { meeting, elements } of all) {
    if (elements.ends === null) continue
    for (let i = 0; i < elements.flat.length; i += 2) out.command('HEXISTS', meeting.place, elements.flat[i] as Buffer)
  }
  const replies = await askSide(to, db, out)
  return all.map(({ elements: { flat, ends } }) => {
    if (ends === null) return null
    let refusal: string | null = null
    const there = ends.map(() => {
      const error = replies.error()
      refusal ??= error
      return error === null && replies.integer() === 1
    })
    return (
      refusal ?? {
        flat: flat.filter((_, i) => !there[i >> 1]),
        ends: ends.filter((_, i) => !there[i]),
      }
    )
  })
}
