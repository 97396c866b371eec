/** Commands of a verification as bytes. */

export type Argument = Buffer | string | number

/** A command that is sent for each key of a batch: its words before and behind the key. */
export interface Verb {
  readonly head: Buffer
  readonly tail: Buffer
}

export function verb(words: string, ...behind: (string | number)[]): Verb {
  const before = words.split(' ')
  const bulk = (word: string | number) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`
  return {
    head: Buffer.from(`*${before.length + 1 + behind.length}\r\n${before.map(bulk).join('')}`),
    tail: Buffer.from(`\r\n${behind.map(bulk).join('')}`),
  }
}

export function encode(args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const argument of args) {
    const bytes = Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument))
    parts.push(lengthPrefix(bytes.length), bytes, lineEnd)
  }
  return Buffer.concat(parts)
}

/** One allocation for the whole batch; this is the hot path. */
export function encodePerKey(verbs: readonly Verb[], keys: readonly Buffer[]): Buffer {
  let size = 0
  for (const { head, tail } of verbs) size += (head.length + tail.length) * keys.length
  for (const key of keys) size += verbs.length * (lengthPrefix(key.length).length + key.length)
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const key of keys) {
    const prefix = lengthPrefix(key.length)
    for (const { head, tail } of verbs) {
      at = put(bytes, at, head)
      at = put(bytes, at, prefix)
      at = put(bytes, at, key)
      at = put(bytes, at, tail)
    }
  }
  return bytes
}

/** For so few bytes a loop is cheaper than a native copy. */
const loopBytes = 48

function put(into: Buffer, at: number, bytes: Buffer): number {
  const { length } = bytes
  if (length > loopBytes) into.set(bytes, at)
  else for (let i = 0; i < length; i++) into[at + i] = bytes[i] as number
  return at + length
}

const lineEnd = Buffer.from('\r\n')
const knownPrefixes = Array.from({ length: 256 }, (_, length) => Buffer.from(`$${length}\r\n`))

function lengthPrefix(length: number): Buffer {
  return knownPrefixes[length] ?? Buffer.from(`$${length}\r\n`)
}
