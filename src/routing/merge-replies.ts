/** One reply out of two sides' replies to the same command, element by element and byte for byte. */
import { elementsOf } from '../resp/reply-elements.ts'

/**
 * `reply` with the elements at `missing` taken from `other`. Null where the two are not arrays of one length, so that nothing says which
 * elements belong together. Both have to be replies to the same command in the same protocol.
 */
export function mergeElements(reply: Buffer, other: Buffer, missing: readonly number[]): Buffer | null {
  const elements = elementsOf(reply)
  const others = elementsOf(other)
  if (elements === null || others === null || elements.length !== others.length) return null
  for (const index of missing) {
    const replacement = others[index]
    if (replacement !== undefined) elements[index] = replacement
  }
  return Buffer.concat([Buffer.from(`*${elements.length}\r\n`), ...elements])
}
