/** What a client has queued since MULTI. */
import type { CommandSpec } from '../commands/spec.ts'
import type { QueuedCommand } from '../dispatch/block.ts'

export interface Queued extends QueuedCommand {
  /** Answered by Ferry at its place in EXEC's reply; no server gets it. */
  readonly local: boolean
}

/** What a queued command takes beside its bytes: its records here, and in the block that is made of it. */
const commandBytes = 256

export class Transaction {
  readonly bytesMax: number
  commands: Queued[] = []
  /** Where the next command will run: the client's database, or that of the last SELECT. */
  db: number
  failed = false
  /** Some command in it may change data. */
  writes = false
  /** Some reply is Ferry's own, or tells where the client will be. */
  shapes = false
  #bytes = 0

  /** @param bytesMax of what is queued; the whole block has to be there before any of it is sent. */
  constructor(db: number, bytesMax: number) {
    this.db = db
    this.bytesMax = bytesMax
  }

  get length(): number {
    return this.commands.length
  }

  /** False where that would be too much, which spoils the transaction. One that is spoilt keeps nothing more, as on a server. */
  add(spec: CommandSpec, bytes: Buffer, local: boolean): boolean {
    if (this.failed) return true
    if (this.#bytes + bytes.length + commandBytes > this.bytesMax) {
      this.fail()
      return false
    }
    this.commands.push({ spec, bytes, db: this.db, local })
    this.#bytes += bytes.length + commandBytes
    this.shapes ||= local
    this.writes ||= spec.write
    return true
  }

  /** A SELECT was queued that will lead there. */
  moveTo(db: number): void {
    this.db = db
    this.shapes = true
  }

  /** A command was refused: EXEC will run nothing. */
  fail(): void {
    this.failed = true
    this.commands = []
  }
}
