/** Reads a stream in windows and builds another one like it under a temporary name. The rules are in streams.ts. */
import { isReplyError, type Reply } from '../../resp/decode.ts'
import { ask, type Passage, stepFor } from './passage.ts'
import { Staged } from './staging.ts'
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
  type StreamFacts,
  Tombstones,
} from './streams.ts'
import type { TypedValue } from './typed-value.ts'

/** Rows of XPENDING per question. */
const pendingWindow = 1_000

/** What is pending is held as a whole, about 100 bytes each: it tells which ids are needed beside the entries. */
interface Known {
  readonly facts: StreamFacts
  readonly groups: readonly Group[]
  readonly step: number
}

/** Why it could not be read, as text; null: it is not there any more. */
export async function readStream(passage: Passage, key: Buffer): Promise<TypedValue | string | null> {
  const known = await readKnown(passage, key)
  if (known === null || typeof known === 'string') return known
  const { facts, groups, step } = known
  const staged = new Staged(passage.to, passage.db, passage.placeOf(key))
  staged.send((out, name) => open(out, name), 0)
  const tombstones = new Tombstones(groups)
  const standIns: string[] = []
  let [firstId, start, sizeBytes]: [string | null, string, number] = [null, '-', 0]
  for (let more = facts.length > 0; more; ) {
    const replies = await ask(passage, (out) => out.command('XRANGE', key, start, '+', 'COUNT', step))
    const rows = replies.reply()
    if (isReplyError(rows)) return rows.error
    const entries = entriesOf(rows)
    firstId ??= entries[0]?.id ?? null
    await staged.answered
    if (entries.length > 0) sendEntries(staged, entries, tombstones, standIns, replies.bytes.length)
    sizeBytes += replies.bytes.length
    start = `(${entries.at(-1)?.id}`
    more = entries.length === step && !staged.failed && !passage.stopped()
  }
  if (!staged.failed && !passage.stopped()) await sendRest(staged, known, tombstones, standIns, firstId)
  return { kind: 'staged', sizeBytes, staged }
}

function sendEntries(
  staged: Staged,
  entries: readonly Entry[],
  tombstones: Tombstones,
  standIns: string[],
  sizeBytes: number,
): void {
  staged.send((out, name) => {
    for (const entry of entries) {
      for (const id of tombstones.before(entry.id)) {
        standIns.push(id)
        addStandIn(out, name, id)
      }
      addEntry(out, name, entry)
    }
  }, sizeBytes)
}

async function sendRest(
  staged: Staged,
  { facts, groups }: Known,
  tombstones: Tombstones,
  standIns: string[],
  firstId: string | null,
): Promise<void> {
  const rest = tombstones.rest()
  for (const id of rest) standIns.push(id)
  staged.send((out, name) => {
    for (const id of rest) addStandIn(out, name, id)
    for (const group of groups) addGroup(out, name, group)
  }, 0)
  for (const { name: group, pending } of groups) {
    for (let at = 0; at < pending.length; at += pendingWindow) {
      await staged.answered
      staged.send((out, name) => claim(out, name, group, pending.slice(at, at + pendingWindow)), 0)
    }
  }
  staged.send((out, name) => close(out, name, facts, groups, firstId, standIns), 0)
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
    const pending = await readPending(passage, key, group.name)
    if (typeof pending === 'string') return pending
    groups.push({ ...group, consumers: consumersOf(consumers), pending })
  }
  return { facts, groups, step: stepFor(typeof size === 'number' ? size : 0, facts.length) }
}

async function readPending(passage: Passage, key: Buffer, group: Buffer): Promise<Pending[] | string> {
  const all: Pending[] = []
  for (let start = '-'; ; ) {
    const replies = await ask(passage, (out) => {
      out.command('TIME').command('XPENDING', key, group, start, '+', pendingWindow)
    })
    const [time, rows] = [replies.reply(), replies.reply()]
    if (isReplyError(rows)) return rows.error
    const window = pendingOf(rows, time)
    all.push(...window)
    if (window.length < pendingWindow || passage.stopped()) return all
    start = `(${window.at(-1)?.id}`
  }
}
