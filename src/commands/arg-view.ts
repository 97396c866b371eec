/**
 * The arguments of one request, seen in the bytes they arrived in. The scanner owns and reuses both arrays: whoever wants an argument
 * beyond the current command copies it. Argument 0 is the command's name; argument i begins at `offsets[2*i]` and is
 * `offsets[2*i+1]` bytes long.
 */
export interface ArgView {
  buf: Buffer
  offsets: Int32Array
  argc: number
}

/** Lays separate arguments out as one view: for tests and for commands that Ferry itself makes. Never on a client's path. */
export function argViewOf(args: readonly (string | Uint8Array)[]): ArgView {
  const parts = args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg) : arg))
  const offsets = new Int32Array(parts.length * 2)
  let at = 0
  parts.forEach((part, i) => {
    offsets[2 * i] = at
    offsets[2 * i + 1] = part.length
    at += part.length
  })
  return { buf: Buffer.concat(parts), offsets, argc: parts.length }
}

/** The bytes of argument i, sharing the view's memory. */
export function argBytes(args: ArgView, i: number): Buffer {
  const start = args.offsets[2 * i] as number
  return args.buf.subarray(start, start + (args.offsets[2 * i + 1] as number))
}

/** Whether argument i is `word` in any case. `word` is lower-case ASCII. */
export function argIs(args: ArgView, i: number, word: string): boolean {
  if (i >= args.argc || args.offsets[2 * i + 1] !== word.length) return false
  const start = args.offsets[2 * i] as number
  for (let j = 0; j < word.length; j++) {
    let byte = args.buf[start + j] as number
    if (byte >= 65 && byte <= 90) byte |= 32
    if (byte !== word.charCodeAt(j)) return false
  }
  return true
}

/** Argument i as an integer of at most 15 digits, or NaN. `+5`, ` 5`, `05`, `-0` and `5.0` are NaN, as they are errors in Redis. */
export function argInteger(args: ArgView, i: number): number {
  if (i >= args.argc) return Number.NaN
  let at = args.offsets[2 * i] as number
  const end = at + (args.offsets[2 * i + 1] as number)
  const negative = args.buf[at] === 45
  if (negative) at++
  const digits = end - at
  if (digits < 1 || digits > 15) return Number.NaN
  if (args.buf[at] === 48 && (digits > 1 || negative)) return Number.NaN
  let value = 0
  for (; at < end; at++) {
    const byte = args.buf[at] as number
    if (byte < 48 || byte > 57) return Number.NaN
    value = value * 10 + (byte - 48)
  }
  return negative ? -value : value
}
