/** Where the data path notes what it is about to send, so that it is known after a crash. See intents.ts. */
import type { DbKey } from './command-keys.ts'

export interface IntentNotes {
  /** `count` plain commands that go to both sides in this turn. The bytes stay as they are until it ends. */
  run(buf: Buffer, start: number, end: number, db: number, count: number): void
  /** The keys of a write that is about to be sent, to whichever side. */
  keys(keys: readonly DbKey[]): void
  /** Something that is about to be sent may change any key. */
  doubt(reason: string): void
}
