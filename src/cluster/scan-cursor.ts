/**
 * One SCAN over all primaries, one after the other: a cursor for the client is the server's own and the server's place in the order of
 * visits. Servers use the low bits of a cursor's 64, as many as their tables are large (at most some 50).
 */
const places = 1024n
const cursorMax = 2n ** 64n - 1n

export interface NodeCursor {
  readonly place: number
  readonly cursor: bigint
}

/** Null where it is no cursor. */
export function unpackCursor(text: string): NodeCursor | null {
  if (!/^\d{1,20}$/.test(text)) return null
  const packed = BigInt(text)
  if (packed > cursorMax) return null
  return { place: Number(packed % places), cursor: packed / places }
}

/** Null where the server's cursor leaves no room for the place. */
export function packCursor({ place, cursor }: NodeCursor): string | null {
  const packed = cursor * places + BigInt(place)
  return packed > cursorMax || place >= Number(places) ? null : packed.toString()
}
