/**
 * The name under which a value is built up before it takes the place of the real one. It has to lie in the same hash slot, or a cluster
 * would refuse the RENAME: whatever decides the key's slot is put between the first braces of the name.
 */
import { slotCount, slotOf } from '../../routing/slot.ts'

const prefix = Buffer.from('ferry:copy:{')
const openBrace = 123
const closeBrace = 125
const ending = /\}:[0-9a-f]{12}:\d{1,16}$/
/** What `ending` can match at most. */
const endingBytes = 31

/** `owner`: twelve hexadecimal digits of the process; `serial`: another one for each value. */
export function temporaryKey(key: Buffer, owner: string, serial: number): Buffer {
  const tag = hashedPart(key) ?? tagOfSlot(slotOf(key, 0, key.length))
  return Buffer.concat([prefix, tag, Buffer.from(`}:${owner}:${serial}`)])
}

/** Names like this are Ferry's own: never copied, never compared, and gone by themselves some time after their copy has ended. */
export function isTemporaryKey(key: Buffer): boolean {
  if (key[0] !== prefix[0] || key.length <= prefix.length || key.compare(prefix, 0, prefix.length, 0, prefix.length) !== 0)
    return false
  return ending.test(key.toString('latin1', Math.max(0, key.length - endingBytes)))
}

/** The bytes of the key that decide its slot, where they can stand between braces: neither empty nor with a closing brace in them. */
function hashedPart(key: Buffer): Buffer | null {
  const open = key.indexOf(openBrace)
  const close = open < 0 ? -1 : key.indexOf(closeBrace, open + 1)
  if (close > open + 1) return key.subarray(open + 1, close)
  return key.length === 0 || key.includes(closeBrace) ? null : key
}

let tags: Buffer[] | null = null

/** Any text of that slot: of short ones there are enough for all of them within some ten thousand tries. */
function tagOfSlot(slot: number): Buffer {
  tags ??= allTags()
  return tags[slot] as Buffer
}

function allTags(): Buffer[] {
  const found: Buffer[] = []
  for (let n = 0, left = slotCount; left > 0; n++) {
    const tag = Buffer.from(n.toString(36))
    const slot = slotOf(tag, 0, tag.length)
    if (found[slot] !== undefined) continue
    found[slot] = tag
    left--
  }
  return found
}
