/** Whole replies with the names of keys in them changed; whatever has another shape than expected is left as it is. */
import { decodeReply } from '../resp/decode.ts'
import { encodeBulk } from '../resp/encode.ts'
import { repliesFrom } from '../resp/reply-elements.ts'

const minus = 45
const bang = 33
const star = 42
const tilde = 126
const percent = 37
const greater = 62
const dollar = 36
const equals = 61

export const isError = (reply: Buffer): boolean => reply[0] === minus || reply[0] === bang

/** A header and what it counts: of a map both keys and values. */
export interface Elements {
  readonly type: number
  readonly elements: readonly Buffer[]
}

/** Null for anything but an array, a set, a map or a push. */
export function takeApart(reply: Buffer): Elements | null {
  const type = reply[0] as number
  if (type !== star && type !== tilde && type !== percent && type !== greater) return null
  const headerEnd = reply.indexOf(10) + 1
  const count = Number(reply.toString('latin1', 1, headerEnd - 2)) * (type === percent ? 2 : 1)
  if (!(count >= 0)) return null
  return { type, elements: repliesFrom(reply, headerEnd, count) }
}

export function putTogether({ type, elements }: Elements): Buffer {
  const count = type === percent ? elements.length / 2 : elements.length
  return Buffer.concat([Buffer.from(`${String.fromCharCode(type)}${count}\r\n`), ...elements])
}

/** The bytes of a bulk string; null for anything else, and for nil. */
export function bulkOf(element: Buffer | undefined): Buffer | null {
  if (element === undefined || element[0] !== dollar) return null
  const { value } = decodeReply(element)
  return Buffer.isBuffer(value) ? value : null
}

/** The name that a key has for whoever asked; null where it is not theirs. */
export type KeyName = (key: Buffer) => Buffer | null

/** Of a bulk string that names a key. */
function named(element: Buffer, nameOf: KeyName): Buffer {
  const key = bulkOf(element)
  const name = key === null ? null : nameOf(key)
  return name === null || name.length === key?.length ? element : encodeBulk(name)
}

/** Every element is a key; those of others go. */
export function keysIn(reply: Buffer, nameOf: KeyName): Buffer {
  const parts = takeApart(reply)
  if (parts === null) return reply
  const elements = parts.elements.flatMap((element) => {
    const key = bulkOf(element)
    if (key === null) return [element]
    const name = nameOf(key)
    return name === null ? [] : [encodeBulk(name)]
  })
  return putTogether({ type: parts.type, elements })
}

/** A cursor and keys. */
export function scanIn(reply: Buffer, nameOf: KeyName): Buffer {
  const parts = takeApart(reply)
  const [cursor, keys] = parts?.elements ?? []
  if (parts === null || cursor === undefined || keys === undefined) return reply
  return putTogether({ type: parts.type, elements: [cursor, keysIn(keys, nameOf)] })
}

/** A key and what was taken from it. */
export function firstIn(reply: Buffer, nameOf: KeyName): Buffer {
  const parts = takeApart(reply)
  const [key, ...rest] = parts?.elements ?? []
  if (parts === null || key === undefined) return reply
  return putTogether({ type: parts.type, elements: [named(key, nameOf), ...rest] })
}

/** Streams with their entries: pairs of RESP2, a map of RESP3. */
export function streamsIn(reply: Buffer, nameOf: KeyName): Buffer {
  const parts = takeApart(reply)
  if (parts === null) return reply
  const elements =
    parts.type === percent
      ? parts.elements.map((element, i) => (i % 2 === 0 ? named(element, nameOf) : element))
      : parts.elements.map((element) => firstIn(element, nameOf))
  return putTogether({ type: parts.type, elements })
}

/** Text for people, in whichever form it came. */
export function textIn(reply: Buffer, edit: (text: string) => string): Buffer {
  if (reply[0] !== dollar && reply[0] !== equals) return reply
  const { value } = decodeReply(reply)
  if (!Buffer.isBuffer(value)) return reply
  const text = Buffer.from(edit(value.toString('latin1')), 'latin1')
  if (reply[0] === dollar) return encodeBulk(text)
  return Buffer.concat([Buffer.from(`=${text.length + 4}\r\ntxt:`), text, Buffer.from('\r\n')])
}
