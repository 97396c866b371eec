/** CLIENT REPLY: whose replies are dropped. Pushes still come, as from a server; the order of what is sent is the same. */
import type { Sent } from '../dispatch/frame.ts'
import type { ReplyQueue } from '../dispatch/reply-queue.ts'

export class ReplyMode {
  /** Whether the next command is the one of CLIENT REPLY SKIP. */
  skipsNext = false
  #off = false
  readonly #replies: ReplyQueue

  constructor(replies: ReplyQueue) {
    this.#replies = replies
  }

  on(): void {
    this.#off = false
    this.skipsNext = false
    this.#replies.muted = false
  }

  off(): void {
    this.#off = true
    this.#replies.muted = true
  }

  skip(): void {
    if (!this.#off) this.skipsNext = true
  }

  /** Runs the command that is to be skipped. */
  skipped(go: () => Sent): Sent {
    this.skipsNext = false
    this.#replies.muted = true
    const sent = go()
    this.#replies.muted = this.#off
    if (sent === 'parked') this.skipsNext = true
    return sent
  }
}
