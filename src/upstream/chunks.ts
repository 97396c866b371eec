/**
 * What long reads are copied into. Fresh memory for each costs its pages, and a collection of everything that lives per some tens of megabytes,
 * which takes longer than the copying; so whoever knows that nobody looks at a chunk any more gives it back.
 */

/** The longest read. */
export const chunkBytes = 65_536
/** From here on a read takes a chunk, of which no more than half is wasted. */
export const chunkReadLeast = 32_768
/** 16 MB: about what the batches of a copy have under way. */
export const spareMax = 256
const spare: ArrayBufferLike[] = []
/** Those that are in use, as they were handed out: a part of one is another object. */
const lent = new WeakSet<Buffer>()

/** With anything in it. */
export function nextChunk(bytes: number): Buffer {
  const memory = spare.pop()
  const chunk = memory === undefined ? Buffer.allocUnsafeSlow(chunkBytes).subarray(0, bytes) : Buffer.from(memory, 0, bytes)
  lent.add(chunk)
  return chunk
}

/** How many lie here unused. */
export const spareChunks = (): number => spare.length

/**
 * Bytes that were read together and that several wait for: the chunks that are theirs alone go back once each of them has called `done`, which
 * none may do twice, nor before every command with these bytes is answered. Whoever never does leaves them to be collected.
 */
export class Loan {
  #pieces: readonly Buffer[]
  #users: number

  constructor(pieces: readonly Buffer[], users: number) {
    this.#pieces = pieces
    this.#users = users
  }

  done(): void {
    if (--this.#users > 0) return
    for (const piece of this.#pieces) if (lent.delete(piece) && spare.length < spareMax) spare.push(piece.buffer)
    this.#pieces = []
  }
}
