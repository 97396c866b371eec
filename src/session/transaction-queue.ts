/** What a client has queued since MULTI. */
import type { DbKey } from '../dispatch/command-keys.ts'

export class Transaction {
  readonly frames: Buffer[] = []
  readonly keys: DbKey[] = []
  writes = false
  copies = false
  unknownKeys: string | null = null
  failed = false
  bytes = 0

  get length(): number {
    return this.frames.length
  }

  /** A command was refused: EXEC will run nothing. */
  fail(): void {
    this.failed = true
  }
}
