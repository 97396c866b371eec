/** What is there of replies that are looked at as a whole. Counts as held until it is taken. */

export interface PiecesOwner {
  /** So many bytes more wait for something, or less. */
  keep(bytes: number): void
}

export class ReplyPieces {
  bytes = 0
  readonly #owner: PiecesOwner
  #pieces: Buffer[] = []

  constructor(owner: PiecesOwner) {
    this.#owner = owner
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece)
    this.bytes += piece.length
    this.#owner.keep(piece.length)
  }

  /** The first so many bytes, or as many as there are. */
  head(bytes: number): Buffer {
    return Buffer.concat(this.#pieces, Math.min(bytes, this.bytes))
  }

  take(): Buffer {
    const pieces = this.#pieces
    this.drop()
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }

  drop(): void {
    this.#owner.keep(-this.bytes)
    this.#pieces = []
    this.bytes = 0
  }
}
