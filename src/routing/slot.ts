/**
 * Redis Cluster's hash slot of a key, read in place (the specification's CRC16/XMODEM and hash-tag rule). The library used elsewhere
 * wants a string or a slice of its own; here a read is routed by it, so nothing may be made.
 */
export const slotCount = 16_384
const openBrace = 123
const closeBrace = 125

const table = new Uint16Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  table[byte] = crc
}

export function slotOf(buf: Uint8Array, offset: number, length: number): number {
  let from = offset
  let end = offset + length
  for (let open = from; open < end; open++) {
    if (buf[open] !== openBrace) continue
    for (let close = open + 1; close < end; close++) {
      if (buf[close] !== closeBrace) continue
      if (close > open + 1) {
        from = open + 1
        end = close
      }
      break
    }
    break
  }
  let crc = 0
  for (let p = from; p < end; p++) crc = ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ (buf[p] as number)] as number)
  return crc & (slotCount - 1)
}
