/** One reply out of the replies of several servers of a cluster to the same command, or to parts of it. Whole replies, byte for byte. */
import { decodeReply } from '../resp/decode.ts'
import { encodeError } from '../resp/encode.ts'
import { elementsOf } from '../resp/reply-elements.ts'

/** Given the servers' replies in the order in which they were asked, none of them an error. */
export type Merge = (replies: readonly Buffer[]) => Buffer

const minus = 45
const isError = (reply: Buffer): boolean => reply[0] === minus || reply[0] === 33

/** What one server refuses, all of them have refused for the client. */
export function mergeReplies(replies: readonly Buffer[], merge: Merge): Buffer {
  const refused = replies.find(isError)
  if (refused !== undefined) return refused
  try {
    return merge(replies)
  } catch {
    return encodeError('ERR FERRY unsupported: the servers of the cluster answered in ways that do not fit together')
  }
}

export const firstOf: Merge = (replies) => replies[0] as Buffer

/** Of DEL, DBSIZE. */
export const sumOf: Merge = (replies) => integer(replies.map(numberIn).reduce((sum, number) => sum + number, 0))

/** Of WAIT: as many replicas as the one with the fewest has. */
export const leastOf: Merge = (replies) => integer(Math.min(...replies.map(numberIn)))

/** Of KEYS. */
export const concatenated: Merge = (replies) => {
  const elements = replies.flatMap((reply) => elementsOf(reply) ?? [])
  return Buffer.concat([Buffer.from(`*${elements.length}\r\n`), ...elements])
}

/** Of RANDOMKEY: a server without keys says nothing about the others. */
export const anyKey: Merge = (replies) => {
  const keys = replies.filter((reply) => decodeReply(reply).value !== null)
  return keys[Math.floor(Math.random() * keys.length)] ?? (replies[0] as Buffer)
}

/** Of WAITAOF: pairs of numbers. */
export const leastPairs: Merge = (replies) => {
  const pairs = replies.map((reply) => (elementsOf(reply) ?? []).map(numberIn))
  const least = (i: number): number => Math.min(...pairs.map((pair) => pair[i] ?? 0))
  return Buffer.concat([Buffer.from('*2\r\n'), integer(least(0)), integer(least(1))])
}

/** Of FUNCTION LIST: what is not the same everywhere is listed for each of them, so that nobody takes it for the same. */
export const sameOrAll: Merge = (replies) => {
  const lists = replies.map((reply) => (elementsOf(reply) ?? []).map((element) => element.toString('latin1')).sort())
  const texts = new Set(lists.map((list) => list.join('')))
  return texts.size === 1 ? (replies[0] as Buffer) : concatenated(replies)
}

/** Of MGET: `places[i]` tells where the elements of reply i belong. */
export function interleaved(places: readonly (readonly number[])[]): Merge {
  return (replies) => {
    const elements: Buffer[] = []
    replies.forEach((reply, i) => {
      const own = elementsOf(reply) as Buffer[]
      places[i]?.forEach((place, j) => {
        elements[place] = own[j] as Buffer
      })
    })
    return Buffer.concat([Buffer.from(`*${elements.length}\r\n`), ...elements])
  }
}

/** Of INFO keyspace. */
export const keyspace: Merge = (replies) => {
  const databases = new Map<string, number[]>()
  for (const reply of replies) {
    for (const [, db = '', keys, expires, ttl] of String(decodeReply(reply).value).matchAll(
      /^db(\d+):keys=(\d+),expires=(\d+),avg_ttl=(\d+)/gm,
    )) {
      const sums = databases.get(db) ?? [0, 0, 0]
      databases.set(db, [
        (sums[0] as number) + Number(keys),
        (sums[1] as number) + Number(expires),
        Math.max(sums[2] as number, Number(ttl)),
      ])
    }
  }
  const lines = [...databases].map(([db, [keys, expires, ttl]]) => `db${db}:keys=${keys},expires=${expires},avg_ttl=${ttl}\r\n`)
  return bulk(Buffer.from(`# Keyspace\r\n${lines.join('')}`))
}

const mergesByName: Readonly<Record<string, Merge>> = {
  dbsize: sumOf,
  del: sumOf,
  unlink: sumOf,
  exists: sumOf,
  touch: sumOf,
  'function|list': sameOrAll,
  keys: concatenated,
  randomkey: anyKey,
  wait: leastOf,
  waitaof: leastPairs,
  info: keyspace,
}

/** Of a command that every server gets: they agree, or what they say is put together. */
export const mergeOf = (name: string): Merge => mergesByName[name] ?? firstOf

function numberIn(reply: Buffer): number {
  const { value } = decodeReply(reply)
  if (typeof value !== 'number') throw new Error('no number')
  return value
}

const integer = (value: number): Buffer => Buffer.from(`:${value}\r\n`)
const bulk = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
