/**
 * What a client sent while nothing behind its command is looked at: its socket is read even then, or nobody would see it go. Kept in the
 * pieces it came in.
 */
export class EarlyInput {
  readonly #bytesMax: number
  readonly #chunks: Buffer[] = []
  #bytes = 0

  /** As on a server, whose limit counts for what is not looked at yet. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get empty(): boolean {
    return this.#chunks.length === 0
  }

  /** The bytes are copied. False where it is more now than a client may send ahead. */
  keep(bytes: Buffer): boolean {
    this.#chunks.push(Buffer.from(bytes))
    this.#bytes += bytes.length
    return this.#bytes <= this.#bytesMax
  }

  /** The oldest one, if there is one. */
  take(): Buffer | undefined {
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) this.#bytes -= chunk.length
    return chunk
  }
}
