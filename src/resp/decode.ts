/**
 * Replies as values, for the few places that need one (handshakes, effects, comparisons): never on the way of a plain command.
 * RESP2 and RESP3. Integers outside the safe range come as bigint, so no digit is lost.
 */

export interface ReplyError {
  readonly error: string
}
export type Reply = Buffer | number | bigint | boolean | null | ReplyError | Reply[]

export const isReplyError = (reply: Reply | undefined): reply is ReplyError =>
  typeof reply === 'object' && reply !== null && 'error' in reply

const CR = 13
const aggregate = new Set(['*', '~', '>', '%'])

/** Decodes one reply that lies whole in `buf` at `at`. Maps come as flat arrays, doubles as their text. */
export function decodeReply(buf: Buffer, at = 0): { value: Reply; next: number } {
  const lineEnd = buf.indexOf(CR, at)
  if (lineEnd < 0) throw new Error('the reply is not whole')
  const type = String.fromCharCode(buf[at] as number)
  const text = buf.toString('latin1', at + 1, lineEnd)
  const next = lineEnd + 2
  if (aggregate.has(type)) return decodeElements(buf, next, type === '%' ? 2 * Number(text) : Number(text))
  switch (type) {
    case '+':
    case ',':
    case '(':
      return { value: buf.subarray(at + 1, lineEnd), next }
    case '-':
      return { value: { error: buf.toString('utf8', at + 1, lineEnd) }, next }
    case ':':
      return { value: integer(text), next }
    case '#':
      return { value: text === 't', next }
    case '_':
      return { value: null, next }
    case '|':
      return decodeReply(buf, decodeElements(buf, next, 2 * Number(text)).next)
    default:
      return decodeBlob(buf, type, Number(text), next)
  }
}

function decodeBlob(buf: Buffer, type: string, length: number, start: number): { value: Reply; next: number } {
  if (length < 0) return { value: null, next: start }
  const bytes = buf.subarray(start, start + length)
  if (bytes.length < length) throw new Error('the reply is not whole')
  const next = start + length + 2
  if (type === '!') return { value: { error: bytes.toString() }, next }
  return { value: type === '=' ? bytes.subarray(4) : bytes, next }
}

function decodeElements(buf: Buffer, start: number, count: number): { value: Reply; next: number } {
  if (count < 0) return { value: null, next: start }
  const value: Reply[] = []
  let next = start
  for (let i = 0; i < count; i++) {
    const element = decodeReply(buf, next)
    value.push(element.value)
    next = element.next
  }
  return { value, next }
}

function integer(text: string): number | bigint {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/** Every reply that lies whole in `buf`. */
export function decodeAll(buf: Buffer): Reply[] {
  const values: Reply[] = []
  let at = 0
  while (at < buf.length) {
    const { value, next } = decodeReply(buf, at)
    values.push(value)
    at = next
  }
  return values
}
