/** Reads a stream in stretches and builds another one like it under a temporary name. The rules are in streams.ts. */
import type { CommandWriter } from '../../resp/command-writer.ts'
import { isReplyError, type Reply } from '../../resp/decode.ts'
import type { ReplyCursor } from '../../resp/reply-cursor.ts'
import { ask, type Passage, stepFor } from './passage.ts'
import { Staged } from './staging.ts'
import { cut, Strand, type Stretch, withStandIns } from './stream-stretch.ts'
import {
  addConsumers,
  addEntry,
  addGroup,
  addStandIn,
  claim,
  close,
  consumersOf,
  type Entry,
  entriesOf,
  factsOf,
  type Group,
  groupsOf,
  open,
  type Pending,
  pendingOf,
  removeStandIns,
  type StreamFacts,
} from './streams.ts'
import type { TypedValue } from './typed-value.ts'
import { rest } from './windows.ts'

/** Rows of XPENDING per question. */
export const pendingWindow = 1_000

interface Known {
  readonly facts: StreamFacts
  readonly groups: readonly Group[]
  /** Entries per question. */
  readonly step: number
}

/** A stream that is copied, and to where. */
export interface StreamErrand {
  readonly passage: Passage
  readonly key: Buffer
  readonly staged: Staged
  /** Entries per question. */
  readonly step: number
}

/** Why it could not be read, as text; null: it is not there any more. */
export async function readStream(passage: Passage, key: Buffer): Promise<TypedValue | string | null> {
  const known = await readKnown(passage, key)
  if (known === null || typeof known === 'string') return known
  const { facts, groups, step } = known
  const staged = new Staged(passage.to, passage.db, passage.placeOf(key))
  staged.send((out, name) => {
    open(out, name)
    for (const group of groups) {
      addGroup(out, name, group)
      addConsumers(out, name, group)
    }
  }, 0)
  const entries = new Strand<Entry>(facts.length === 0)
  const pending = groups.map(({ name }) => ({ name, strand: new Strand<Pending>() }))
  const brought = await bringStretches({ passage, key, staged, step }, entries, pending, (ids) => {
    staged.send((out, name) => removeStandIns(out, name, ids, facts.firstId), 0)
  })
  if (typeof brought === 'string') return brought
  if (!staged.failed && !passage.stopped()) staged.send((out, name) => close(out, name, facts, groups), 0)
  return { kind: 'staged', sizeBytes: brought.sizeBytes, staged }
}

/** What is pending in a group. */
export interface GroupStrand {
  readonly name: Buffer
  readonly strand: Strand<Pending>
}

/**
 * Brings over what all of these strands give, or as much as is wanted. `letGo` is told the stand-ins of each stretch once they are claimed.
 * Text: the reading side's words.
 */
export async function bringStretches(
  errand: StreamErrand,
  entries: Strand<Entry>,
  groups: readonly GroupStrand[],
  letGo: (standIns: readonly string[]) => Promise<void> | void,
): Promise<{ sizeBytes: number; rows: number } | string> {
  const { passage, staged } = errand
  const strands = groups.map(({ strand }) => strand)
  let [sizeBytes, rows] = [0, 0]
  while (!staged.failed && !passage.stopped() && [entries, ...strands].some(({ isDone }) => !isDone)) {
    const read = await readPages(errand, entries, groups)
    if (typeof read === 'string') return read
    sizeBytes += read
    const stretch = cut(entries, strands)
    rows += stretch.pending.reduce((sum, own) => sum + own.length, stretch.entries.length)
    await staged.answered
    sendStretch(staged, stretch, groups)
    if (stretch.standIns.length > 0) await letGo(stretch.standIns)
    await rest(passage, read, staged)
  }
  return { sizeBytes, rows }
}

/** Answers how many bytes were read, or the reading side's words. */
async function readPages(
  { passage, key, step }: StreamErrand,
  entries: Strand<Entry>,
  groups: readonly GroupStrand[],
): Promise<number | string> {
  const wanted = groups.filter(({ strand }) => strand.wants)
  if (wanted.length === 0 && !entries.wants) return 0
  const replies = await ask(passage, (out) => {
    out.command('TIME')
    for (const { name, strand } of wanted) out.command('XPENDING', key, name, strand.start, strand.end, pendingWindow)
    if (entries.wants) askEntries(out, key, entries, step)
  })
  const time = replies.reply()
  for (const { strand } of wanted) {
    const rows = replies.reply()
    if (isReplyError(rows)) return rows.error
    strand.add(pendingOf(rows, time), pendingWindow)
  }
  if (!entries.wants) return replies.bytes.length
  const rows = replies.reply()
  if (isReplyError(rows)) return rows.error
  entries.add(entriesOf(rows), step)
  return replies.bytes.length
}

export function askEntries(out: CommandWriter, key: Buffer, { start, end }: Strand<Entry>, step: number): void {
  out.command('XRANGE', key, start, end, 'COUNT', step)
}

/** Claims in blocks of their own: a server takes some milliseconds for each. */
function sendStretch(
  staged: Staged,
  { entries, pending, standIns }: Stretch<Entry, Pending>,
  groups: readonly { readonly name: Buffer }[],
): void {
  const rows = withStandIns(entries, standIns)
  if (rows.length > 0) {
    staged.send((out, name) => {
      for (const row of rows) {
        if (typeof row === 'string') addStandIn(out, name, row)
        else addEntry(out, name, row)
      }
    }, 0)
  }
  for (const [i, { name: group }] of groups.entries()) {
    const own = pending[i] as readonly Pending[]
    if (own.length > 0) staged.send((out, name) => claim(out, name, group, own), 0)
  }
}

async function readKnown(passage: Passage, key: Buffer): Promise<Known | string | null> {
  const replies = await ask(passage, (out) => {
    askLook(out, key)
    out.command('MEMORY', 'USAGE', key)
  })
  const look = lookOf(replies)
  if (look === null || typeof look === 'string') return look
  const { facts } = look
  const size = replies.reply()
  const groups: Group[] = []
  for (const group of look.groups) {
    const answer = await ask(passage, (out) => out.command('XINFO', 'CONSUMERS', key, group.name))
    const consumers: Reply = answer.reply()
    if (isReplyError(consumers)) return consumers.error
    groups.push({ ...group, consumers: consumersOf(consumers) })
  }
  return { facts, groups, step: stepFor(typeof size === 'number' ? size : 0, facts.length) }
}

/** A stream as a whole, without its consumers. */
export interface StreamLook {
  readonly facts: StreamFacts
  readonly groups: readonly Omit<Group, 'consumers'>[]
}

export function askLook(out: CommandWriter, key: Buffer): void {
  out.command('XINFO', 'STREAM', key).command('XINFO', 'GROUPS', key)
}

/** What `askLook` is answered. Text: the server's words; null: there is no such stream. */
export function lookOf(replies: ReplyCursor): StreamLook | string | null {
  const [info, rows] = [replies.reply(), replies.reply()]
  if (isReplyError(info)) return /no such key/i.test(info.error) ? null : info.error
  if (isReplyError(rows)) return rows.error
  return { facts: factsOf(info), groups: groupsOf(rows) }
}
