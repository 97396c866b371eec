/** Reads a stream in stretches and builds another one like it under a temporary name. The rules are in streams.ts. */
import { isReplyError, type Reply } from '../../resp/decode.ts'
import { ask, type Passage, stepFor } from './passage.ts'
import { Staged } from './staging.ts'
import { cut, Strand, type Stretch, withStandIns } from './stream-stretch.ts'
import {
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

/** Rows of XPENDING per question. */
const pendingWindow = 1_000

interface Known {
  readonly facts: StreamFacts
  readonly groups: readonly Group[]
  /** Entries per question. */
  readonly step: number
}

/** Why it could not be read, as text; null: it is not there any more. */
export async function readStream(passage: Passage, key: Buffer): Promise<TypedValue | string | null> {
  const known = await readKnown(passage, key)
  if (known === null || typeof known === 'string') return known
  const { facts, groups } = known
  const staged = new Staged(passage.to, passage.db, passage.placeOf(key))
  staged.send((out, name) => {
    open(out, name)
    for (const group of groups) addGroup(out, name, group)
  }, 0)
  const entries = new Strand<Entry>(facts.length === 0)
  const pending = groups.map(() => new Strand<Pending>())
  let [firstId, sizeBytes]: [string | null, number] = [null, 0]
  while (!staged.failed && !passage.stopped() && [entries, ...pending].some(({ isDone }) => !isDone)) {
    const read = await readPages(passage, key, known, entries, pending)
    if (typeof read === 'string') return read
    sizeBytes += read
    const stretch = cut(entries, pending)
    firstId ??= stretch.entries[0]?.id ?? entries.next
    await staged.answered
    sendStretch(staged, stretch, groups, firstId)
  }
  if (!staged.failed && !passage.stopped()) staged.send((out, name) => close(out, name, facts, groups), 0)
  return { kind: 'staged', sizeBytes, staged }
}

/** Answers how many bytes were read, or the reading side's words. */
async function readPages(
  passage: Passage,
  key: Buffer,
  { groups, step }: Known,
  entries: Strand<Entry>,
  pending: readonly Strand<Pending>[],
): Promise<number | string> {
  const wanted = groups.flatMap(({ name }, i) => {
    const strand = pending[i] as Strand<Pending>
    return strand.wants ? [{ name, strand }] : []
  })
  const replies = await ask(passage, (out) => {
    out.command('TIME')
    for (const { name, strand } of wanted) out.command('XPENDING', key, name, strand.start, '+', pendingWindow)
    if (entries.wants) out.command('XRANGE', key, entries.start, '+', 'COUNT', step)
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

/** Claims in blocks of their own: a server takes some milliseconds for each. */
function sendStretch(
  staged: Staged,
  { entries, pending, standIns }: Stretch<Entry, Pending>,
  groups: readonly Group[],
  firstId: string | null,
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
  if (standIns.length > 0) staged.send((out, name) => removeStandIns(out, name, standIns, firstId), 0)
}

async function readKnown(passage: Passage, key: Buffer): Promise<Known | string | null> {
  const replies = await ask(passage, (out) => {
    out.command('XINFO', 'STREAM', key).command('XINFO', 'GROUPS', key).command('MEMORY', 'USAGE', key)
  })
  const [info, rows, size] = [replies.reply(), replies.reply(), replies.reply()]
  if (isReplyError(info)) return /no such key/i.test(info.error) ? null : info.error
  if (isReplyError(rows)) return rows.error
  const facts = factsOf(info)
  const groups: Group[] = []
  for (const group of groupsOf(rows)) {
    const answer = await ask(passage, (out) => out.command('XINFO', 'CONSUMERS', key, group.name))
    const consumers: Reply = answer.reply()
    if (isReplyError(consumers)) return consumers.error
    groups.push({ ...group, consumers: consumersOf(consumers) })
  }
  return { facts, groups, step: stepFor(typeof size === 'number' ? size : 0, facts.length) }
}
