import { isUtf8 } from 'node:buffer'

/** For reading only: UTF-8 as it is, every other byte and every control character as \xHH, cut after `maxBytes`. */
export function printable(bytes: Buffer, maxBytes = 256): string {
  let text = ''
  let at = 0
  const end = Math.min(bytes.length, maxBytes)
  while (at < end) {
    const length = sequenceLength(bytes[at] ?? 0)
    const sequence = bytes.subarray(at, at + length)
    if (length > 0 && sequence.length === length && isUtf8(sequence)) {
      text += sequence.toString()
      at += length
    } else {
      text += `\\x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`
      at += 1
    }
  }
  return end < bytes.length ? `${text}…` : text
}

/** 0 = must be escaped. */
function sequenceLength(first: number): number {
  if (first < 0x20 || first === 0x7f) return 0
  if (first < 0x80) return 1
  if (first >= 0xf0) return 4
  if (first >= 0xe0) return 3
  return first >= 0xc2 ? 2 : 0
}
