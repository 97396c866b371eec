/** One server of a cluster as one wire sees it: its lane, and what waits until that is up. */
import { encodeCommand, encodeError } from '../resp/encode.ts'
import type { ClusterNode } from '../routing/slot-map.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'
import { unheard } from '../upstream/waiter.ts'
import type { Part } from './part.ts'
import { PartQueue } from './part-queue.ts'

/**
 * How long a server may be away before commands for it are answered that they were not run: longer than a restart of a connection. Replies
 * come in order, so until then whoever shares the wire waits, too; after that nobody does.
 */
const nodeWaitMs = 2_000
const asking = encodeCommand(['ASKING'])

export class NodeLink {
  readonly node: ClusterNode
  readonly lane: Lane
  readonly #sticky: readonly Buffer[]
  readonly #waiting = new PartQueue()
  #timer: NodeJS.Timeout | null = null
  /** The lane was up before, and is not now. */
  missing = false
  #awaySinceMs = performance.now()

  constructor(node: ClusterNode, lane: Lane, sticky: readonly Buffer[]) {
    this.node = node
    this.lane = lane
    this.#sticky = sticky
  }

  get waitingBytes(): number {
    return this.#waiting.bytes
  }

  /** What is sent now leaves now. */
  get ready(): boolean {
    return this.lane.up && this.#waiting.empty
  }

  /** How long it cannot be reached now; 0 = it can. */
  get awayMs(): number {
    return this.lane.up ? 0 : performance.now() - this.#awaySinceMs
  }

  send(part: Part): void {
    part.at = this
    if (this.ready) {
      this.#put(part)
      return
    }
    this.#waiting.push(part)
    const leftMs = this.#awaySinceMs + nodeWaitMs - performance.now()
    this.#timer ??= setTimeout(() => this.#tooLate(), Math.max(0, leftMs))
  }

  lost(): void {
    if (!this.missing) this.#awaySinceMs = performance.now()
    this.missing = true
  }

  /** The lane is up: what waited goes out in its order. */
  opened(): void {
    const waiting = this.takeWaiting()
    for (const frame of this.#sticky) {
      this.lane.prepare(contextOf(3, 0))
      this.lane.send(frame, 0, frame.length, unheard, 1)
    }
    for (const part of waiting) this.#put(part)
  }

  /** What waits here is its taker's. */
  takeWaiting(): Part[] {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    return this.#waiting.takeAll()
  }

  close(): void {
    this.#refuse('is not a primary of the cluster any more')
    this.lane.close()
  }

  #put(part: Part): void {
    const lane = this.lane
    part.at = this
    lane.prepare(part.context)
    if (part.prefix !== null) lane.send(part.prefix, 0, part.prefix.length, unheard, 1)
    if (part.asking) lane.send(asking, 0, asking.length, unheard, 1)
    part.put(lane)
    if (part.suffix !== null) lane.send(part.suffix, 0, part.suffix.length, unheard, 1)
  }

  #tooLate(): void {
    this.#refuse(`was not reachable for ${nodeWaitMs} ms (${this.lane.lastError ?? 'no answer'})`)
  }

  #refuse(why: string): void {
    const error = encodeError(`CLUSTERDOWN ${this.node.host}:${this.node.port} ${why}`)
    for (const part of this.takeWaiting()) part.fail(error)
  }
}
