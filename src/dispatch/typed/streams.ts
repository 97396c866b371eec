/**
 * Streams: what there is to know of one, and the commands that make another like it. Groups and consumers are made first; entries keep their
 * ids, and what is pending follows them; the counters come last, since everything before moves them.
 *
 * An entry may be pending although it was deleted or trimmed. XCLAIM takes only ids that the stream has, so a stand-in is added for each such
 * id and removed once it is claimed: removing an entry leaves it pending. When consumers were last seen cannot be set by any command.
 */
import type { CommandWriter } from '../../resp/command-writer.ts'
import { isReplyError, type Reply } from '../../resp/decode.ts'
import { isOlder } from './stream-stretch.ts'

export interface Entry {
  readonly id: string
  /** Field, value, … */
  readonly fields: readonly Buffer[]
}

export interface Pending {
  readonly id: string
  readonly consumer: Buffer
  readonly deliveredAtMs: number
  readonly deliveries: number
}

export interface Group {
  readonly name: Buffer
  readonly lastId: string
  /** Null where the server does not know any more. */
  readonly entriesRead: number | null
  readonly consumers: readonly Buffer[]
}

export interface StreamFacts {
  readonly length: number
  /** Null where it has no entries. */
  readonly firstId: string | null
  readonly lastId: string
  readonly entriesAdded: number | null
  readonly maxDeletedId: string | null
}

/** Of one XCLAIM or XDEL. */
const idsPerCommand = 1_000
const opener = Buffer.from('ferry')
const nothing = Buffer.alloc(0)
const xadd = Buffer.from('XADD')

/** XINFO's pairs by name. */
function pairsOf(reply: Reply): Map<string, Reply> {
  const pairs = new Map<string, Reply>()
  if (!Array.isArray(reply)) return pairs
  for (let i = 0; i + 1 < reply.length; i += 2) pairs.set(String(reply[i]), reply[i + 1] as Reply)
  return pairs
}

const numberOrNull = (reply: Reply | undefined): number | null => (reply === null || reply === undefined ? null : Number(reply))

export function factsOf(info: Reply): StreamFacts {
  const pairs = pairsOf(info)
  const maxDeleted = pairs.get('max-deleted-entry-id')
  const first = pairs.get('first-entry')
  return {
    length: Number(pairs.get('length')),
    firstId: Array.isArray(first) ? String(first[0]) : null,
    lastId: String(pairs.get('last-generated-id')),
    entriesAdded: numberOrNull(pairs.get('entries-added')),
    maxDeletedId: maxDeleted === undefined ? null : String(maxDeleted),
  }
}

/** Of XINFO GROUPS, without their consumers. */
export function groupsOf(rows: Reply): Omit<Group, 'consumers'>[] {
  if (!Array.isArray(rows)) return []
  return rows.map((row) => {
    const pairs = pairsOf(row)
    return {
      name: pairs.get('name') as Buffer,
      lastId: String(pairs.get('last-delivered-id')),
      entriesRead: numberOrNull(pairs.get('entries-read')),
    }
  })
}

export const consumersOf = (rows: Reply): Buffer[] =>
  Array.isArray(rows) ? rows.map((row) => pairsOf(row).get('name') as Buffer) : []

/** How much each consumer has pending, of XINFO CONSUMERS, as text that is the same for the same consumers. */
export const shareOf = (rows: Reply): string =>
  Array.isArray(rows)
    ? rows
        .map((row) => pairsOf(row))
        .map((pairs) => `${(pairs.get('name') as Buffer).toString('latin1')} ${pairs.get('pending')}`)
        .sort()
        .join('\n')
    : ''

/** Rows of XPENDING: id, consumer, how long ago, how often. `time`: what TIME answered right before, on the same server. */
export function pendingOf(rows: Reply, time: Reply): Pending[] {
  if (!Array.isArray(rows) || !Array.isArray(time)) return []
  const nowMs = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000)
  return rows.map((row) => {
    const [id, consumer, idleMs, deliveries] = row as [Buffer, Buffer, number, number]
    return { id: String(id), consumer, deliveredAtMs: nowMs - idleMs, deliveries }
  })
}

export function entriesOf(rows: Reply): Entry[] {
  if (!Array.isArray(rows) || isReplyError(rows)) return []
  return rows.map((row) => {
    const [id, fields] = row as [Buffer, Buffer[]]
    return { id: String(id), fields }
  })
}

/** A stream with nothing in it, whose last id is 0-0. */
export function open(out: CommandWriter, key: Buffer): void {
  out.command('XGROUP', 'CREATE', key, opener, 0, 'MKSTREAM').command('XGROUP', 'DESTROY', key, opener)
}

export function addEntry(out: CommandWriter, key: Buffer, { id, fields }: Entry): void {
  out
    .begin(fields.length + 3)
    .add(xadd)
    .add(key)
    .add(Buffer.from(id))
  for (const field of fields) out.add(field)
}

export const addStandIn = (out: CommandWriter, key: Buffer, id: string): void =>
  addEntry(out, key, { id, fields: [nothing, nothing] })

export function addGroup(out: CommandWriter, key: Buffer, { name, lastId }: Pick<Group, 'name' | 'lastId'>): void {
  out.command('XGROUP', 'CREATE', key, name, lastId)
}

/** Those that are there already stay as they are. */
export function addConsumers(out: CommandWriter, key: Buffer, { name, consumers }: Pick<Group, 'name' | 'consumers'>): void {
  for (const consumer of consumers) out.command('XGROUP', 'CREATECONSUMER', key, name, consumer)
}

/** What was delivered together, to the same consumer at the same moment and as often, is claimed together. */
export function claim(out: CommandWriter, key: Buffer, group: Buffer, pending: readonly Pending[]): void {
  for (let at = 0; at < pending.length; ) {
    const first = pending[at] as Pending
    let end = at + 1
    while (end < pending.length && end - at < idsPerCommand && together(first, pending[end] as Pending)) end++
    const ids = pending.slice(at, end).map(({ id }) => id)
    const how = ['TIME', first.deliveredAtMs, 'RETRYCOUNT', first.deliveries, 'FORCE', 'JUSTID']
    out.command('XCLAIM', key, group, first.consumer, 0, ...ids, ...how)
    at = end
  }
}

const together = (one: Pending, other: Pending): boolean =>
  one.deliveredAtMs === other.deliveredAtMs && one.deliveries === other.deliveries && one.consumer.equals(other.consumer)

/** Once they are claimed. Those older than the first entry are trimmed: that does not count as a deletion, and may not have been one. */
export function removeStandIns(out: CommandWriter, key: Buffer, ids: readonly string[], firstId: string | null): void {
  const trimmed = firstId === null ? ids : ids.filter((id) => isOlder(id, firstId))
  if (trimmed.length > 0) {
    if (firstId === null) out.command('XTRIM', key, 'MAXLEN', 0)
    else out.command('XTRIM', key, 'MINID', firstId)
  }
  remove(out, key, ids.slice(trimmed.length))
}

export function remove(out: CommandWriter, key: Buffer, ids: readonly string[]): void {
  for (let at = 0; at < ids.length; at += idsPerCommand) out.command('XDEL', key, ...ids.slice(at, at + idsPerCommand))
}

export function acknowledge(out: CommandWriter, key: Buffer, group: Buffer, ids: readonly string[]): void {
  for (let at = 0; at < ids.length; at += idsPerCommand) out.command('XACK', key, group, ...ids.slice(at, at + idsPerCommand))
}

/** Sets what all this has moved. */
export function close(out: CommandWriter, key: Buffer, facts: StreamFacts, groups: readonly Omit<Group, 'consumers'>[]): void {
  const added = facts.entriesAdded === null ? [] : ['ENTRIESADDED', facts.entriesAdded]
  const maxDeleted = facts.maxDeletedId === null ? [] : ['MAXDELETEDID', facts.maxDeletedId]
  out.command('XSETID', key, facts.lastId, ...added, ...maxDeleted)
  for (const { name, lastId, entriesRead } of groups) {
    out.command('XGROUP', 'SETID', key, name, lastId, ...(entriesRead === null ? [] : ['ENTRIESREAD', entriesRead]))
  }
}
