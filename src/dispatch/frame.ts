/** One command's bytes: a slice, or the pieces of a large one. Valid until the client's next chunk is read, unless somebody keeps the buffer. */
export interface Frame {
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  readonly pieces: readonly Buffer[] | null
}

/** `parked`: nothing of the command was sent, and the client is woken to try the same one again. */
export type Sent = 'sent' | 'parked'
