/** The parts of a frame put into a buffer, byte by byte: for so few bytes a native copy costs more. Each gives where the next part goes. */

const copyBytesMin = 48

export function put(out: Buffer, from: number, bytes: Buffer): number {
  let at = from
  for (let i = 0; i < bytes.length; i++) out[at++] = bytes[i] as number
  return at
}

export function putBulk(out: Buffer, from: number, bytes: Buffer): number {
  let at = putLength(out, from, bytes.length)
  at = bytes.length < copyBytesMin ? put(out, at, bytes) : at + bytes.copy(out, at)
  out[at++] = 13
  out[at++] = 10
  return at
}

export function putLength(out: Buffer, from: number, length: number): number {
  out[from] = 36
  const at = putNumber(out, from + 1, length)
  out[at] = 13
  out[at + 1] = 10
  return at + 2
}

export function putNumber(out: Buffer, from: number, value: number): number {
  const end = from + digitsOf(value)
  let rest = value
  for (let at = end - 1; at >= from; at--) {
    out[at] = 48 + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return end
}

/** Of a whole number, not below 0. */
export function digitsOf(value: number): number {
  let digits = 1
  for (let bound = 10; value >= bound; bound *= 10) digits++
  return digits
}
