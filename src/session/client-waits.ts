/** What a client can be in the middle of, as the rest of its session sees it. */
import type { DbKey } from '../dispatch/command-keys.ts'
import type { WatchedSide } from '../dispatch/watched-run.ts'
import { encodeError } from '../resp/encode.ts'

/** What CLIENT UNBLOCK … ERROR ends a wait with. */
export const unblocked = encodeError('UNBLOCKED client unblocked via CLIENT UNBLOCK')

/** A command that waits until some key has something. */
export interface BlockedWait {
  /** The client's connection is closed: it takes nothing any more. */
  gone(): void
  /** Nothing more is waited for: what is under way is answered, and else it ends without an answer, as when a server stops. */
  drain(): void
  /** Resolves once it is known how it ended: false where it had been served already. */
  unblock(withError: boolean): Promise<boolean>
}

/** WAIT or WAITAOF. */
export interface ReplicaWait {
  /** The client is gone: the server need not wait any longer. */
  end(): void
  /** As for BlockedWait. */
  drain(): void
  unblock(withError: boolean): Promise<boolean>
}

/** The keys that it watches, from the first WATCH to EXEC, DISCARD or UNWATCH. */
export interface WatchedKeys extends WatchedSide {
  /** What was watched may have changed unseen. */
  readonly broken: boolean
  /** How many keys. */
  readonly count: number
  /** Watches further keys; `frame` and the keys are kept. */
  add(frame: Buffer, keys: readonly DbKey[]): void
  executing(): void
  executed(sent: boolean): void
  end(): void
}
