/** Streams compared by meaning: entries, ids and counters, groups with what is pending in them, consumers. Times since use do not count. */

import type { Reply } from '../resp/decode.ts'
import { printable } from '../resp/printable.ts'
import { asList, bothLists, type Pair, sameReply, windowElements } from './verify-pair.ts'

const pendingWindow = 1_000

export async function compareStreams(pair: Pair, key: Buffer, sizeBytes: number): Promise<string | null> {
  const [source, target] = (await bothLists(pair, ['XINFO', 'STREAM', key])).map(toMap) as [Info, Info]
  const length = Number(source.get('length'))
  return (
    compareInfo(source, target, ['length', 'last-generated-id'], ['max-deleted-entry-id', 'entries-added'], '') ??
    (await compareEntries(pair, key, windowElements(sizeBytes, length))) ??
    (await compareGroups(pair, key))
  )
}

type Info = Map<string, Reply>

function toMap(reply: Reply[]): Info {
  const info: Info = new Map()
  for (let i = 0; i + 1 < reply.length; i += 2) info.set(String(reply[i]), reply[i + 1] ?? null)
  return info
}

/** `required` must be equal; `optional` only where both sides know them, as older servers and partial restores do not. */
function compareInfo(source: Info, target: Info, required: string[], optional: string[], where: string): string | null {
  for (const name of [...required, ...optional]) {
    const [left, right] = [source.get(name) ?? null, target.get(name) ?? null]
    if (optional.includes(name) && (left === null || right === null)) continue
    if (!sameReply(left, right)) return `${where}${name} is ${show(left)} and ${show(right)}`
  }
  return null
}

async function compareEntries(pair: Pair, key: Buffer, step: number): Promise<string | null> {
  let start = '-'
  for (;;) {
    const [source, target] = await bothLists(pair, ['XRANGE', key, start, '+', 'COUNT', step])
    const index = source.findIndex((entry, i) => !sameReply(entry, target[i]))
    if (index >= 0) return `entry ${show(asList(source[index])[0] ?? null)} differs`
    if (source.length !== target.length) return 'the entries differ in number'
    if (source.length < step) return null
    start = after(source)
  }
}

/** The exclusive range that begins behind the last of these entries. */
function after(entries: Reply[]): string {
  return `(${String(asList(entries.at(-1))[0])}`
}

async function compareGroups(pair: Pair, key: Buffer): Promise<string | null> {
  const [source, target] = (await bothLists(pair, ['XINFO', 'GROUPS', key])).map(byName) as [Map<string, Info>, Map<string, Info>]
  const names = compareNames(source, target, 'group')
  if (names !== null) return names
  for (const [name, group] of source) {
    const where = `group "${printable(Buffer.from(name, 'latin1'), 60)}": `
    const other = target.get(name) as Info
    const difference =
      compareInfo(group, other, ['pending', 'last-delivered-id'], ['entries-read'], where) ??
      (await compareConsumers(pair, key, group.get('name') as Buffer, where)) ??
      (await comparePending(pair, key, group.get('name') as Buffer, where))
    if (difference !== null) return difference
  }
  return null
}

/** Names are bytes; as latin1 they can be the keys of a map. */
function byName(rows: Reply[]): Map<string, Info> {
  return new Map(
    rows.map((row) => {
      const info = toMap(asList(row))
      return [(info.get('name') as Buffer).toString('latin1'), info]
    }),
  )
}

function compareNames(source: Map<string, Info>, target: Map<string, Info>, what: string): string | null {
  const shown = (name: string) => `${what} "${printable(Buffer.from(name, 'latin1'), 60)}"`
  for (const name of source.keys()) if (!target.has(name)) return `${shown(name)} is not on the target`
  for (const name of target.keys()) if (!source.has(name)) return `${shown(name)} is on the target only`
  return null
}

async function compareConsumers(pair: Pair, key: Buffer, group: Buffer, where: string): Promise<string | null> {
  const answers = await bothLists(pair, ['XINFO', 'CONSUMERS', key, group])
  const [source, target] = answers.map(byName) as [Map<string, Info>, Map<string, Info>]
  const names = compareNames(source, target, 'consumer')
  if (names !== null) return where + names
  for (const [name, consumer] of source) {
    const shown = `${where}consumer "${printable(Buffer.from(name, 'latin1'), 60)}": `
    const difference = compareInfo(consumer, target.get(name) as Info, ['pending'], [], shown)
    if (difference !== null) return difference
  }
  return null
}

/** Rows are id, consumer, idle time, deliveries. */
async function comparePending(pair: Pair, key: Buffer, group: Buffer, where: string): Promise<string | null> {
  let start = '-'
  for (;;) {
    const [source, target] = await bothLists(pair, ['XPENDING', key, group, start, '+', pendingWindow])
    for (const [index, row] of source.entries()) {
      const [id, consumer, , deliveries] = asList(row)
      const [otherId, otherConsumer, , otherDeliveries] = asList(target[index] ?? [])
      if (!sameReply(id, otherId)) return `${where}pending entry ${show(id)} is not pending on the target`
      if (!sameReply(consumer, otherConsumer))
        return `${where}pending entry ${show(id)} belongs to ${show(consumer)} and ${show(otherConsumer)}`
      if (deliveries !== otherDeliveries) {
        return `${where}pending entry ${show(id)} was delivered ${show(deliveries)} and ${show(otherDeliveries)} times`
      }
    }
    if (source.length !== target.length) return `${where}${source.length} and ${target.length} entries are pending`
    if (source.length < pendingWindow) return null
    start = after(source)
  }
}

function show(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? printable(reply, 60) : String(reply ?? 'unknown')
}
