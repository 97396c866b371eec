/**
 * A long string on its way as the one argument of one command, on a connection of its own: the server receives it piece by piece while it
 * serves others, and takes it over as it lies there. Built up by APPEND instead, it would be moved each time it grows, which takes a server
 * hundreds of milliseconds from some hundred megabytes on.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../../upstream/lane.ts'
import { exchange } from '../key-transfer.ts'
import { type DirectWay, directWay } from './direct-way.ts'
import { newTemporaryKey, temporaryKeyMs } from './staging.ts'
import type { StagedValue } from './typed-value.ts'

/** What may wait for the server. */
const waitingBytesMax = 4 << 20
/** A server that takes nothing for so long has hung. */
const stalledMs = 10_000
const lineEnd = Buffer.from('\r\n')

export class StreamedString implements StagedValue {
  readonly name: Buffer
  readonly sizeBytes: number
  error: string | null = null
  /** Ended on this side before it was whole. */
  isCut = false
  lost: Error | null = null
  answered: Promise<void>
  readonly #lane: Lane
  #left: number

  /** `sizeBytes`: exactly so many will follow. The server's words where it takes none. Rejects with TransferLost where none can be asked. */
  static async open(to: Lane, db: number, key: Buffer, sizeBytes: number): Promise<StreamedString | string> {
    const name = newTemporaryKey(to, db, key)
    const way = await directWay(to, db, name)
    return typeof way === 'string' ? way : new StreamedString(name, sizeBytes, way)
  }

  private constructor(name: Buffer, sizeBytes: number, { lane, db, name: nameThere }: DirectWay) {
    this.name = name
    this.sizeBytes = sizeBytes
    this.#lane = lane
    this.#left = sizeBytes
    const head = Buffer.concat([
      Buffer.from(`*4\r\n$6\r\nPSETEX\r\n$${nameThere.length}\r\n`),
      nameThere,
      Buffer.from(`\r\n$${String(temporaryKeyMs).length}\r\n${temporaryKeyMs}\r\n$${sizeBytes}\r\n`),
    ])
    this.answered = exchange(lane, contextOf(2, db), 1, (to) => to.write(head, 0, head.length)).then(
      (bytes) => {
        this.error ??= new ReplyCursor(bytes).firstError()
        lane.close()
      },
      (error: Error) => {
        this.lost ??= error
      },
    )
  }

  get failed(): boolean {
    return this.error !== null || this.lost !== null
  }

  /** Resolves when there is room for another piece, or none is wanted any more (`failed`). */
  async write(piece: Buffer): Promise<void> {
    if (this.failed) return
    this.#left -= piece.length
    this.#lane.write(piece, 0, piece.length)
    if (this.#left === 0) this.#lane.write(lineEnd, 0, lineEnd.length)
    let [least, sinceMs] = [Number.POSITIVE_INFINITY, performance.now()]
    while (!this.failed && this.#lane.bufferedBytes > waitingBytesMax) {
      if (this.#lane.bufferedBytes < least) [least, sinceMs] = [this.#lane.bufferedBytes, performance.now()]
      else if (performance.now() - sinceMs > stalledMs) this.#lane.fail(new Error(`took nothing for ${stalledMs} ms`))
      await delay(1)
    }
  }

  /** Nobody wants it: a command that is not whole is nothing to the server. */
  cut(reason: string): void {
    this.isCut = true
    this.error ??= reason
    this.#lane.close()
  }
}
