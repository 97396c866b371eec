/**
 * What is to be written to one socket at the end of the turn. Neighbouring slices of one buffer leave as one slice; small strangers are
 * copied together, because a copy of some bytes is cheaper than an entry in a scatter list; large ones are handed over as they are.
 * A slice given here must not change until it is flushed and written.
 */
import type { Wire } from './wire.ts'

const copyBytesMax = 2048

export class Outbox {
  /** Written to this outbox and not yet handed to the socket. */
  pendingBytes = 0
  #stageBytes: number
  #run: Buffer | null = null
  #runStart = 0
  #runEnd = 0
  #stage: Buffer | null = null
  #stageFrom = 0
  #stageTo = 0
  #pieces: Buffer[] = []

  constructor(stageBytes: number) {
    this.#stageBytes = stageBytes
  }

  write(buf: Buffer, start: number, end: number): void {
    this.pendingBytes += end - start
    if (this.#run === buf && this.#runEnd === start) {
      this.#runEnd = end
      return
    }
    if (this.#run !== null) this.#seal(this.#run)
    this.#run = buf
    this.#runStart = start
    this.#runEnd = end
  }

  flush(socket: Wire): void {
    const run = this.#run
    if (this.pendingBytes === 0) return
    this.pendingBytes = 0
    if (run !== null && this.#pieces.length === 0 && this.#stageTo === this.#stageFrom) {
      this.#run = null
      socket.write(this.#runStart === 0 && this.#runEnd === run.length ? run : run.subarray(this.#runStart, this.#runEnd))
      return
    }
    if (run !== null) this.#seal(run)
    this.#closeStage()
    this.#writePieces(socket)
    // What is written meanwhile, by whoever is answered at once, is staged and not flushed yet.
    if (socket.writableLength === 0 && this.pendingBytes === 0) {
      this.#stageFrom = 0
      this.#stageTo = 0
    }
  }

  discard(): void {
    this.pendingBytes = 0
    this.#run = null
    this.#pieces.length = 0
    this.#stageFrom = this.#stageTo
  }

  #writePieces(socket: Wire): void {
    const pieces = this.#pieces
    this.#pieces = []
    if (pieces.length === 1) {
      socket.write(pieces[0] as Buffer)
      return
    }
    socket.cork()
    for (let i = 0; i < pieces.length; i++) socket.write(pieces[i] as Buffer)
    socket.uncork()
  }

  #seal(run: Buffer): void {
    const length = this.#runEnd - this.#runStart
    this.#run = null
    if (length > copyBytesMax) {
      this.#closeStage()
      this.#pieces.push(run.subarray(this.#runStart, this.#runEnd))
      return
    }
    if (this.#stage === null || this.#stageTo + length > this.#stage.length) {
      this.#closeStage()
      this.#stage = Buffer.allocUnsafeSlow(this.#stageBytes)
      this.#stageFrom = 0
      this.#stageTo = 0
    }
    this.#stageTo += run.copy(this.#stage, this.#stageTo, this.#runStart, this.#runEnd)
  }

  #closeStage(): void {
    if (this.#stage === null || this.#stageTo === this.#stageFrom) return
    this.#pieces.push(this.#stage.subarray(this.#stageFrom, this.#stageTo))
    this.#stageFrom = this.#stageTo
  }
}
