/** Names of keys as patterns, by which a report can group what differs. */
import { printable } from '../resp/printable.ts'

const patternBytesMax = 120
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi
/** Long enough not to be a word, with a digit in it: identifiers and checksums. */
const hexadecimal = /(?<![0-9a-z])(?=[a-f]*[0-9])[0-9a-f]{8,}(?![0-9a-z])/gi
/** As `printable` writes bytes that are no text. */
const binary = /(?:\\x[0-9a-f]{2})+/g
const digits = /\d+/g

/** Identifiers, numbers and bytes that are no text become `*`: `user:17:cart` is of the pattern `user:*:cart`. */
export function patternOf(key: Buffer): string {
  const text = printable(key, patternBytesMax)
  return text
    .replace(binary, '*')
    .replace(uuid, '*')
    .replace(hexadecimal, '*')
    .replace(digits, '*')
    .replace(/\*{2,}/g, '*')
}
