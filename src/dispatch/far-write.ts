/**
 * Writes far into a string. A side that does not have the string yet fills everything before that place with zeros, and serves nobody as long
 * as it does: hundreds of milliseconds for some hundred megabytes, for a value that the copy replaces anyway. So while the two sides may
 * differ the follower is asked first how long its string is; where there would be a gap it gets nothing, and the key is copied.
 */
import { encodeCommand } from '../resp/encode.ts'
import { ReplyCursor } from '../resp/reply-cursor.ts'
import type { Lane } from '../upstream/lane.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import { exchange } from './key-transfer.ts'
import type { Ticket } from './order-board.ts'

/** What a server fills up in a few milliseconds, and moves when the string grows. */
export const farBytes = 4 << 20

/** The follower's half of one write; whatever comes behind it on its key waits for `ticket`. */
export interface FollowerHalf {
  readonly ticket: Ticket
  send(): void
  skip(reason: string): void
}

/**
 * `reachBytes`: what has to be there before the place. `key` is owned. It is asked behind what the follower was sent before; where others
 * still wait for their turn, which may make it longer, the key is copied for nothing at worst.
 */
export function sendIfLong(
  core: Core,
  follower: Lane,
  context: number,
  { key }: DbKey,
  reachBytes: number,
  half: FollowerHalf,
): void {
  const strlen = encodeCommand(['STRLEN', key])
  const asked = core.accepts(follower)
    ? exchange(follower, context, 1, (lane) => lane.write(strlen, 0, strlen.length))
    : Promise.reject(new Error('the follower was not reachable'))
  asked.then(
    (bytes) => {
      const reply = new ReplyCursor(bytes)
      // What else it may be the command itself tells best: a key of another type.
      const isShort = reply.isInteger && reply.integer() < reachBytes
      core.board.arm(half.ticket, () => (isShort ? half.skip('the follower does not have all of this string yet') : half.send()))
    },
    (error: Error) => core.board.arm(half.ticket, () => half.skip(error.message)),
  )
}
