/** What is done about the connection before this one, which the server may still be serving: nothing sent on it may run any more. */
import { encodeCommand } from '../resp/encode.ts'
import type { ReplyLane, Waiter } from './waiter.ts'

/** A connection as the server knew it. */
export interface FormerConnection {
  /** The server's number; 0 = it did not tell. */
  readonly clientId: number
  /** Which start of the server gave that number; null = it did not tell. */
  readonly runId: string | null
}

/** Longer than any command of an ordinary client; the server reads and runs what an orphaned connection holds within this. */
export const unfencedWaitMs = 1_000

/**
 * A server that was started anew has none of its former connections, and gives their numbers to others: only the very same start may be
 * asked to kill one. Where it cannot be told, the former connection is waited out.
 */
export function fenceFor(former: FormerConnection | null, runId: string | null): 'none' | 'kill' | 'wait' {
  if (former === null) return 'none'
  if (former.runId === null || runId === null) return 'wait'
  if (former.runId !== runId) return 'none'
  return former.clientId > 0 ? 'kill' : 'wait'
}

/** CLIENT KILL ID of the former connection. */
export class Fence implements Waiter {
  readonly sums = false
  readonly frame: Buffer
  readonly #done: (killed: boolean) => void

  constructor(clientId: number, done: (killed: boolean) => void) {
    this.frame = encodeCommand(['CLIENT', 'KILL', 'ID', String(clientId)])
    this.#done = done
  }

  /** `:1` and `:0` both mean that the old connection is gone. */
  take(lane: ReplyLane, _chunk: Buffer, _from: number, _to: number, ended: boolean): void {
    if (ended) this.#done(lane.errors === 0)
  }

  lost(): void {
    // The lane reconnects and fences anew.
  }
}
