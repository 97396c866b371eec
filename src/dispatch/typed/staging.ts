/**
 * A value on its way to the writing side, under a temporary name that nobody asks for: it is sent while its key is held and the rest of it is
 * still being read, so that no more than a few windows of it are ever here. The name ends by itself where nobody takes it over.
 */
import { randomBytes } from 'node:crypto'
import { CommandWriter } from '../../resp/command-writer.ts'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../../upstream/lane.ts'
import { exchange } from '../key-transfer.ts'
import { temporaryKey } from './temporary-key.ts'
import type { StagedValue } from './typed-value.ts'

/** How long a temporary name outlives the last that was sent to it: longer than a slow side may be silent before it is cut off. */
export const temporaryKeyMs = 60_000
const owner = randomBytes(6).toString('hex')
let serial = 0

/** For a key that is to be written by this lane: in the slot that it has there. */
export function newTemporaryKey({ endpoint }: Lane, db: number, key: Buffer): Buffer {
  const prefix = endpoint.keyPrefix?.(db)
  return temporaryKey(prefix === undefined ? key : Buffer.concat([prefix, key]), owner, ++serial)
}

export class Staged implements StagedValue {
  readonly name: Buffer
  error: string | null = null
  lost: Error | null = null
  answered: Promise<void> = Promise.resolve()
  readonly #lane: Lane
  readonly #context: number
  #isBegun = false

  constructor(lane: Lane, db: number, key: Buffer) {
    this.name = newTemporaryKey(lane, db, key)
    this.#lane = lane
    this.#context = contextOf(2, db)
  }

  get failed(): boolean {
    return this.error !== null || this.lost !== null
  }

  /** It is not to end by itself while nothing is sent. */
  async keep(): Promise<void> {
    await this.answered
    if (!this.#isBegun || this.failed) return
    const out = new CommandWriter()
    out.command('PEXPIRE', this.name, temporaryKeyMs)
    this.answered = exchange(this.#lane, this.#context, 1, (lane) => out.writeTo(lane)).then(
      (bytes) => {
        const reply = new ReplyCursor(bytes)
        this.error = reply.error() ?? (reply.integer() === 1 ? null : 'what was sent ahead is not there any more')
      },
      (error: Error) => {
        this.lost = error
      },
    )
    await this.answered
  }

  /** One block, so that a connection which goes in the middle leaves nothing without an end. */
  send(write: (out: CommandWriter, name: Buffer) => void, expectedBytes: number): void {
    this.#isBegun = true
    const out = new CommandWriter(expectedBytes)
    out.command('MULTI')
    write(out, this.name)
    out.command('PEXPIRE', this.name, temporaryKeyMs).command('EXEC')
    this.answered = exchange(this.#lane, this.#context, out.commands, (lane) => out.writeTo(lane)).then(
      (bytes) => this.#note(new ReplyCursor(bytes), out.commands),
      (error: Error) => {
        this.lost = error
      },
    )
  }

  #note(replies: ReplyCursor, count: number): void {
    for (let i = 0; i < count; i++) {
      const error = replies.firstError()
      this.error ??= error
    }
  }
}
