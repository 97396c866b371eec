/** A client's connection as the commands see it. The connection itself is session.ts. */
import type { Socket } from 'node:net'
import type { CommandSpec } from '../commands/spec.ts'
import type { Client } from '../dispatch/client.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import type { SessionContext } from './session-context.ts'
import type { Transaction } from './transaction-queue.ts'

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
  transaction: Transaction | null
  setContext(protocol: number, db: number): void
  moveTo(pair: LanePair): void
  /** Answers what is pending, then closes. Nothing more is read. */
  closeAfterReplies(): void
  describe(): string
}
