/** Commands and the few replies that Ferry makes itself, as bytes. */

const crlf = '\r\n'

/** One command as a RESP array of bulk strings. Numbers and strings are written as UTF-8. */
export function encodeCommand(argv: readonly (Buffer | string | number)[]): Buffer {
  let size = 16
  for (const arg of argv)
    size += 16 + (typeof arg === 'string' ? Buffer.byteLength(arg) : typeof arg === 'number' ? 20 : arg.length)
  const out = Buffer.allocUnsafe(size)
  let at = out.write(`*${argv.length}${crlf}`, 0, 'latin1')
  for (const arg of argv) {
    const bytes = typeof arg === 'object' ? arg : String(arg)
    const length = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
    at += out.write(`$${length}${crlf}`, at, 'latin1')
    at += typeof bytes === 'string' ? out.write(bytes, at, 'utf8') : bytes.copy(out, at)
    at += out.write(crlf, at, 'latin1')
  }
  return out.subarray(0, at)
}

export const replies = {
  ok: Buffer.from('+OK\r\n'),
  pong: Buffer.from('+PONG\r\n'),
  queued: Buffer.from('+QUEUED\r\n'),
  reset: Buffer.from('+RESET\r\n'),
  zero: Buffer.from(':0\r\n'),
  emptyArray: Buffer.from('*0\r\n'),
  nullBulk: Buffer.from('$-1\r\n'),
  nullArray: Buffer.from('*-1\r\n'),
  null3: Buffer.from('_\r\n'),
}

export const encodeInteger = (value: number): Buffer => Buffer.from(`:${value}${crlf}`)

export function encodeBulk(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return Buffer.concat([Buffer.from(`$${bytes.length}${crlf}`), bytes, Buffer.from(crlf)])
}

/** An error line; line breaks would split the reply, so they become spaces, as in Redis. */
export const encodeError = (text: string): Buffer => Buffer.from(`-${text.replace(/[\r\n]+/g, ' ')}${crlf}`)

export const encodeArray = (elements: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from(`*${elements.length}${crlf}`), ...elements])

/** A set for RESP3, an array for RESP2, as servers do. */
export const encodeSet = (elements: readonly Buffer[], protocol: number): Buffer =>
  Buffer.concat([Buffer.from(`${protocol === 3 ? '~' : '*'}${elements.length}${crlf}`), ...elements])

/** Text for people: verbatim for RESP3, a bulk string for RESP2. */
export function encodeText(text: Buffer | string, protocol: number): Buffer {
  if (protocol !== 3) return encodeBulk(text)
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return Buffer.concat([Buffer.from(`=${bytes.length + 4}${crlf}txt:`), bytes, Buffer.from(crlf)])
}

/** Flat pairs: a map for RESP3, a flat array for RESP2, as servers do. */
export function encodeMap(pairs: readonly Buffer[], protocol: number): Buffer {
  const head = protocol === 3 ? `%${pairs.length / 2}${crlf}` : `*${pairs.length}${crlf}`
  return Buffer.concat([Buffer.from(head), ...pairs])
}
