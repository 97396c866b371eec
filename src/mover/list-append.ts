/**
 * Appends the source's lists to those of the target, each element once, whatever is cut off or killed meanwhile: how far a list has come is
 * noted on the target beside it, in the same step that appends. So these notes outlive the process, and a batch that is tried again, a key that
 * SCAN gives twice and a copy that is gone on with all find what was appended already. They are in the slot of the list under a name like
 * Ferry's temporary ones, are removed when the copy is through, and end by themselves a week after the last that was done to them; a copy that
 * is gone on with later than that begins its lists anew. The source's lists must not be written to meanwhile.
 *
 * A step whose answer was lost is looked up before the next one: on the same connection, or on another one once the server has ended the first
 * (see `Lanes.orphaned`). After a kill nobody waits for that end: a server that hung meanwhile could run the step behind the look.
 */
import { createHash } from 'node:crypto'
import { momentOf } from '../dispatch/key-transfer.ts'
import { lists } from '../dispatch/typed/lists.ts'
import { ask, type Passage, stepFor } from '../dispatch/typed/passage.ts'
import { temporaryKey } from '../dispatch/typed/temporary-key.ts'
import { rest } from '../dispatch/typed/windows.ts'
import { CommandWriter } from '../resp/command-writer.ts'
import { isReplyError, type Reply } from '../resp/decode.ts'
import type { Lane } from '../upstream/lane.ts'
import { eachToItsEnd } from './each-to-its-end.ts'
import type { KeyEnd, KeyEnds } from './key-end.ts'
import { keyCounts } from './scan.ts'
import { askSide } from './side-question.ts'

const noteMs = 7 * 24 * 3_600_000
const longAtOnce = 4
const sweepCount = 1_000
const wholeBytes = 65_536

/** A list of the source. */
export interface Arrival {
  readonly key: Buffer
  /** Its name on the target. */
  readonly place: Buffer
  /** Whether the target has a list there. */
  readonly isThere: boolean
}

/** How far one list has come. */
interface Progress {
  readonly arrival: Arrival
  readonly note: Buffer
  at: number
  /** By this copy: then it gets the source's end. */
  created: boolean
  done: boolean
  length: number
  step: number
  sizeBytes: number
  expiresAtMs: number
}

/** `owner`: twelve hexadecimal digits, the same for all runs of one copy. Rejects with TransferLost. */
export async function appendLists(passage: Passage, owner: string, arrivals: readonly Arrival[], ends: KeyEnds): Promise<void> {
  if (arrivals.length === 0) return
  const known = await readNotes(passage, owner, arrivals, ends)
  for (const { arrival, done } of known) if (done) ends.set(arrival.key, { kind: 'copied', bytes: 0 })
  const open = await measured(
    passage,
    known.filter(({ done }) => !done),
    ends,
  )
  const short = open.filter(({ sizeBytes, length, at, step }) => sizeBytes <= wholeBytes && length - at <= step)
  await appendWindow(passage, short, ends)
  await eachToItsEnd(
    open.filter((list) => !short.includes(list)),
    longAtOnce,
    async (list) => {
      const { key } = list.arrival
      while (!ends.has(key)) await rest(passage, await appendWindow(passage, [list], ends), null)
      // Where there is a pace each window is counted by itself.
      if (passage.windows !== null && ends.get(key)?.kind === 'copied') ends.set(key, { kind: 'copied', bytes: 0 })
    },
  )
}

const noteOf = (owner: string, place: Buffer): Buffer =>
  temporaryKey(place, owner, createHash('sha1').update(place).digest().readUIntBE(0, 6))

async function readNotes({ to, db }: Passage, owner: string, arrivals: readonly Arrival[], ends: KeyEnds): Promise<Progress[]> {
  const out = new CommandWriter()
  const notes = arrivals.map(({ place }) => noteOf(owner, place))
  for (const note of notes) out.command('HMGET', note, 'place', 'at', 'created', 'done')
  const replies = await askSide(to, db, out)
  return arrivals.flatMap((arrival, i) => {
    const error = replies.error()
    const [place, at, created, done] = error === null ? replies.bulks() : []
    const fails = (why: string): [] => {
      ends.set(arrival.key, { kind: 'failed', error: why, side: 'target' })
      return []
    }
    if (error !== null) return fails(error)
    const isKnown = at !== undefined && at.length > 0
    if (isKnown && !place?.equals(arrival.place)) return fails('cannot be merged: its note has the name of another list')
    // Somebody removed what was appended so far.
    const isLost = isKnown && String(done) !== '1' && !arrival.isThere
    const goesOn = isKnown && !isLost
    return {
      arrival,
      note: notes[i] as Buffer,
      at: goesOn ? Number(at) : 0,
      created: goesOn ? String(created) === '1' : !arrival.isThere,
      done: goesOn && String(done) === '1',
      length: 0,
      step: 0,
      sizeBytes: 0,
      expiresAtMs: 0,
    }
  })
}

/** How long they are, and when they end; the others of them have an end of their own after it. */
async function measured(passage: Passage, all: readonly Progress[], ends: KeyEnds): Promise<Progress[]> {
  if (all.length === 0) return []
  const replies = await ask(passage, (out) => {
    for (const { arrival } of all) {
      out.command('LLEN', arrival.key).command('MEMORY', 'USAGE', arrival.key)
      out.command('PEXPIRETIME', arrival.key).command('PTTL', arrival.key)
    }
  })
  const clockMs = Date.now() + passage.from.clockOffsetMs
  return all.filter((list) => {
    const [length, size, moment, left] = [replies.reply(), replies.reply(), replies.reply(), replies.reply()]
    const { key } = list.arrival
    if (isReplyError(length) || isReplyError(left)) {
      const error = isReplyError(length) ? length.error : isReplyError(left) ? left.error : ''
      ends.set(key, { kind: 'failed', error, side: 'source' })
    } else if (length === 0) ends.set(key, { kind: 'absent' })
    else {
      list.length = Number(length)
      list.sizeBytes = typeof size === 'number' ? size : 0
      list.step = stepFor(list.sizeBytes, list.length)
      // Servers before 7.0 know only what is left.
      list.expiresAtMs = isReplyError(moment) ? momentOf(Number(left), clockMs) : momentOf(Number(moment), 0)
      return true
    }
    return false
  })
}

/** The next window of each; those that are through then have an end. Answers how many bytes were read. */
async function appendWindow(passage: Passage, all: readonly Progress[], ends: KeyEnds): Promise<number> {
  if (all.length === 0) return 0
  const { to, db } = passage
  const replies = await ask(passage, (out) => {
    for (const { arrival, at, step } of all) lists.askWindow(out, arrival.key, String(at), step)
  })
  const out = new CommandWriter(replies.bytes.length + 256 * all.length)
  const sent: { list: Progress; before: number }[] = []
  for (const list of all) {
    const unread = replies.error()
    if (unread !== null) {
      ends.set(list.arrival.key, { kind: 'failed', error: unread, side: 'source' })
      continue
    }
    const { flat, next } = lists.readWindow(replies, String(list.at), list.step)
    const before = list.at
    list.at += flat.length
    list.done = next === null || list.at >= list.length
    write(out, list, flat)
    sent.push({ list, before })
  }
  const answers = await askSide(to, db, out)
  const refused: { list: Progress; before: number }[] = []
  for (const one of sent) {
    const { arrival, done, sizeBytes } = one.list
    const { error, isExecuted } = outcomeOf(() => answers.reply(), one.list)
    if (error !== null && isExecuted) refused.push(one)
    const end: KeyEnd = error === null ? { kind: 'copied', bytes: sizeBytes } : { kind: 'failed', error, side: 'target' }
    if (error !== null || done) ends.set(arrival.key, end)
  }
  await takeBack(to, db, refused)
  return replies.bytes.length
}

const commandsAround = 3

function write(
  out: CommandWriter,
  { arrival: { place }, note, at, created, done, expiresAtMs }: Progress,
  flat: readonly Buffer[],
): void {
  out.command('MULTI')
  if (flat.length > 0) lists.write(out, place, { flat, ends: null })
  else out.command('EXISTS', place)
  out.command('HSET', note, 'place', place, 'at', at, 'created', created ? 1 : 0, 'done', done ? 1 : 0)
  out.command('PEXPIRE', note, noteMs)
  if (done && created && expiresAtMs !== 0) out.command('PEXPIREAT', place, expiresAtMs)
  out.command('EXEC')
}

function outcomeOf(next: () => Reply, { created, done, expiresAtMs }: Progress): { error: string | null; isExecuted: boolean } {
  const queued = commandsAround + (done && created && expiresAtMs !== 0 ? 1 : 0)
  const said = Array.from({ length: queued + 1 }, next)
  const executed = next()
  const all = [...said, ...(Array.isArray(executed) ? executed : [executed])]
  const refusal = all.find(isReplyError)
  return { error: refusal?.error ?? null, isExecuted: Array.isArray(executed) }
}

/** EXEC takes nothing back: where the elements were refused, their note must not say that they are there. */
async function takeBack(to: Lane, db: number, refused: readonly { list: Progress; before: number }[]): Promise<void> {
  const out = new CommandWriter()
  for (const { list, before } of refused) {
    list.at = before
    if (before === 0) out.command('UNLINK', list.note)
    else out.command('HSET', list.note, 'at', before, 'done', 0)
  }
  await askSide(to, db, out)
}

/** Removes the notes of a copy that is through. Rejects with TransferLost. */
export async function removeNotes(to: Lane, owner: string): Promise<void> {
  for (const db of (await keyCounts(to)).keys()) {
    for (let cursor = '0'; ; ) {
      const out = new CommandWriter().command('SCAN', cursor, 'MATCH', `ferry:copy:{*}:${owner}:*`, 'COUNT', sweepCount)
      const replies = await askSide(to, db, out)
      const page = replies.reply()
      if (!Array.isArray(page)) return
      const names = page[1] as Buffer[]
      if (names.length > 0) await askSide(to, db, new CommandWriter().command('UNLINK', ...names))
      cursor = String(page[0])
      if (cursor === '0') break
    }
  }
}
