/** What all sessions share. Made once by the composition root. */
import type { Socket } from 'node:net'
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import type { ReadPath } from '../dispatch/read-path.ts'
import type { TransactionPath } from '../dispatch/transaction-path.ts'
import type { WritePath } from '../dispatch/write-path.ts'
import type { RequestLimits } from '../resp/request-scanner.ts'
import type { ClientFacts } from './client-facts.ts'
import type { ClientPause } from './client-pause.ts'
import type { BlockedWait, ReplicaWait } from './client-waits.ts'
import type { ClusterView } from './cluster-view.ts'
import type { DatabaseCheck } from './database-check.ts'
import type { Monitors } from './monitor.ts'
import type { MultiCheck } from './multi-check.ts'
import type { Subscribers } from './subscribers.ts'
import type { TrackingRegistry } from './tracking-registry.ts'

/** What CLIENT LIST and CLIENT KILL, and the end of the process, need of another session. */
export interface OpenSession {
  readonly id: number
  readonly socket: Socket
  facts(): ClientFacts
  /** As a line of CLIENT LIST. */
  describe(): string
  /** See ClientSession. */
  readonly blocked: BlockedWait | null
  readonly replicaWait: ReplicaWait | null
  abort(reason: string): void
  /** An invalidation of another client that redirects to this one: an array of keys as RESP, or null for all keys. */
  receiveInvalidation(keys: Buffer | null): void
  closeAfterReplies(): void
}

export interface SessionContext {
  readonly core: Core
  readonly lanes: Lanes
  readonly reads: ReadPath
  readonly writes: WritePath
  readonly transactions: TransactionPath
  readonly databases: DatabaseCheck
  readonly multis: MultiCheck
  readonly subscribers: Subscribers
  readonly monitors: Monitors
  readonly requestLimits: RequestLimits & { readonly queryBufferBytes: number }
  readonly trackings: TrackingRegistry
  readonly pauses: ClientPause
  /** What clients are shown in cluster mode; null = it is off. */
  readonly cluster: ClusterView | null
  /** Names of refused commands that are carried all the same. */
  readonly allowed: ReadonlySet<string>
  /** Every open session, by id. */
  readonly sessions: Map<number, OpenSession>
  /** The rows of INFO's `# Ferry` section. */
  infoRows(): readonly string[]
}
