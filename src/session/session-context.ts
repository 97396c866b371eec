/** What all sessions share. Made once by the composition root. */
import type { Socket } from 'node:net'
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import type { ReadPath } from '../dispatch/read-path.ts'
import type { TransactionPath } from '../dispatch/transaction-path.ts'
import type { WritePath } from '../dispatch/write-path.ts'
import type { RequestLimits } from '../resp/request-scanner.ts'
import type { DatabaseCheck } from './database-check.ts'

/** What CLIENT LIST and CLIENT KILL, and the end of the process, need of another session. */
export interface OpenSession {
  readonly id: number
  readonly socket: Socket
  /** As a line of CLIENT LIST. */
  describe(): string
  abort(reason: string): void
  closeAfterReplies(): void
}

export interface SessionContext {
  readonly core: Core
  readonly lanes: Lanes
  readonly reads: ReadPath
  readonly writes: WritePath
  readonly transactions: TransactionPath
  readonly databases: DatabaseCheck
  readonly requestLimits: RequestLimits & { readonly queryBufferBytes: number }
  /** Every open session, by id. */
  readonly sessions: Map<number, OpenSession>
  /** The rows of INFO's `# Ferry` section. */
  infoRows(): readonly string[]
}
