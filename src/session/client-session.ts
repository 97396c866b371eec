/** A client's connection as the commands see it. The connection itself is session.ts. */
import type { Socket } from 'node:net'
import type { CommandSpec } from '../commands/spec.ts'
import type { Client } from '../dispatch/client.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import type { BlockedWait, ReplicaWait, WatchedKeys } from './client-waits.ts'
import type { ReplyMode } from './reply-mode.ts'
import type { SessionContext } from './session-context.ts'
import type { ClientSubscriptions } from './subscribers.ts'
import type { Tracking } from './tracking.ts'
import type { Transaction } from './transaction-queue.ts'

/** What a client has said of itself, for CLIENT LIST. */
export interface ClientHints {
  noEvict: boolean
  noTouch: boolean
  /** CLIENT CAPA redirect. */
  redirects: boolean
  /** It wants its scripts debugged, see script-debug.ts. */
  debugs: boolean
}

export interface ClientSession extends Client {
  readonly socket: Socket
  readonly shared: SessionContext
  readonly connectedAtMs: number
  /** Reply bytes that it has not read. */
  readonly waitingBytes: number
  readonly lastCommand: CommandSpec | null
  /** When the command that is tried now was first parked; turn clock, 0 = not at all. */
  readonly parkedSinceMs: number
  name: string
  user: string
  library: string
  libraryVersion: string
  readonly hints: ClientHints
  readonly replyMode: ReplyMode
  /** When bytes of it last came; turn clock. */
  readonly receivedMs: number
  transaction: Transaction | null
  /** Null while it watches no key. */
  watch: WatchedKeys | null
  /** The WAIT or WAITAOF that it is in. */
  replicaWait: ReplicaWait | null
  /** The command that it waits in; nothing behind it is looked at. */
  blocked: BlockedWait | null
  /** What CLIENT TRACKING is on; null = off. */
  tracking: Tracking | null
  /** Null while it has none. */
  subscriptions: ClientSubscriptions | null
  setContext(protocol: number, db: number): void
  moveTo(pair: LanePair): void
  /** Answers what is pending, then closes. Nothing more is read. */
  closeAfterReplies(): void
  describe(): string
}
