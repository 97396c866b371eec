/**
 * The key space cut into a million stripes. Whatever has to be remembered about "this key" on the path of every command (is it held,
 * is it dirty) is remembered about its stripe: one array look-up, no string, no false negative. Two keys of one stripe share their
 * fate, which costs a little waiting and never correctness.
 */
export const stripeCount = 1 << 20
const stripeMask = stripeCount - 1

/** FNV-1a over database and key, folded. */
export function stripeOf(buf: Uint8Array, offset: number, length: number, db: number): number {
  let hash = 0x811c9dc5 ^ (db + 1)
  const end = offset + length
  for (let p = offset; p < end; p++) hash = Math.imul(hash ^ (buf[p] as number), 0x01000193)
  return (hash ^ (hash >>> 15)) & stripeMask
}
