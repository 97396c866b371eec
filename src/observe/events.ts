/** The decisions that Ferry took, oldest first: a bounded ring in memory, readers that follow it, and a sink that may keep it on disk. */
import { eventsKept } from '../limits.ts'

type EventData = Record<string, string | number | boolean | null>

export interface FerryEvent {
  readonly id: number
  /** ISO 8601, UTC. */
  readonly at: string
  readonly kind: string
  readonly message: string
  readonly reason: string | null
  readonly data: EventData
}

interface EventLogOptions {
  /** Events that survived a restart, oldest first; new ids go on from the last of them. */
  readonly restored?: readonly FerryEvent[]
  readonly kept?: number
  /** Called once per new event, before the readers see it. Owns its own failures. */
  readonly sink?: (event: FerryEvent) => void
  readonly nowMs?: () => number
}

export class EventLog {
  readonly #kept: number
  readonly #sink: (event: FerryEvent) => void
  readonly #nowMs: () => number
  readonly #followers = new Set<(event: FerryEvent) => void>()
  #events: FerryEvent[]
  #lastId: number

  constructor(options: EventLogOptions = {}) {
    this.#kept = options.kept ?? eventsKept
    this.#sink = options.sink ?? (() => {})
    this.#nowMs = options.nowMs ?? Date.now
    this.#events = (options.restored ?? []).slice(-this.#kept)
    this.#lastId = this.#events.at(-1)?.id ?? 0
  }

  record(kind: string, message: string, details: { reason?: string | null | undefined; data?: EventData } = {}): FerryEvent {
    this.#lastId += 1
    const at = new Date(this.#nowMs()).toISOString()
    const event: FerryEvent = { id: this.#lastId, at, kind, message, reason: details.reason ?? null, data: details.data ?? {} }
    this.#events.push(event)
    // Trimmed in halves, so that a full log does not shift its whole array for each event.
    if (this.#events.length >= this.#kept * 2) this.#events = this.#events.slice(-this.#kept)
    this.#sink(event)
    for (const follower of [...this.#followers]) follower(event)
    return event
  }

  /** Oldest first, at most as many as are kept. An id from before a restart that kept nothing gives everything. */
  since(after: number): FerryEvent[] {
    const kept = this.#events.slice(-this.#kept)
    return after > this.#lastId ? kept : kept.filter((event) => event.id > after)
  }

  /** What `since` gives, then each new event, until the returned function is called. */
  follow(after: number, listener: (event: FerryEvent) => void): () => void {
    for (const event of this.since(after)) listener(event)
    this.#followers.add(listener)
    return () => {
      this.#followers.delete(listener)
    }
  }
}
