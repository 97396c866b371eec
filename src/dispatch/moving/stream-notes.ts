/** What was touched of a stream, as far as a look at it does not tell. */
import { isOlder } from '../typed/stream-stretch.ts'
import type { StreamTouch } from './stream-touch.ts'

/** All that is pending with a consumer behind an id. */
export interface NotedConsumer {
  readonly consumer: Buffer
  readonly after: string
  /** The consumer was removed meanwhile, and may have been made anew. */
  readonly removed: boolean
}

/** Of one group. */
export interface NotedPending {
  readonly group: Buffer
  readonly ids: ReadonlySet<string>
  readonly consumers: readonly NotedConsumer[]
}

interface GroupNotes {
  readonly group: Buffer
  readonly ids: Set<string>
  readonly consumers: Map<string, NotedConsumer>
}

export class StreamNotes {
  /** Commands whose replies will tell what they did, and are not there yet. */
  awaited = 0
  #deleted = new Set<string>()
  #groups = new Map<string, GroupNotes>()
  #pending = 0

  get size(): number {
    return this.#deleted.size + this.#pending
  }

  add(touch: Exclude<StreamTouch, { kind: 'evident' }>): void {
    if (touch.kind === 'told') this.awaited++
    else if (touch.kind === 'entries') for (const id of touch.ids) this.#deleted.add(id)
    else {
      const notes = this.#of(touch.group)
      const before = notes.ids.size + notes.consumers.size
      if (touch.kind === 'pending') for (const id of touch.ids) notes.ids.add(id)
      else this.#addConsumer(notes, touch)
      this.#pending += notes.ids.size + notes.consumers.size - before
    }
  }

  /** Ids of entries that may have been deleted. */
  takeDeleted(): string[] {
    const taken = [...this.#deleted]
    this.#deleted.clear()
    return taken
  }

  takePending(): NotedPending[] {
    const taken = [...this.#groups.values()]
    this.#groups.clear()
    this.#pending = 0
    return taken.map(({ group, ids, consumers }) => ({ group, ids, consumers: [...consumers.values()] }))
  }

  clear(): void {
    this.takeDeleted()
    this.takePending()
  }

  #of(group: Buffer): GroupNotes {
    const name = group.toString('latin1')
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    const notes: GroupNotes = { group, ids: new Set(), consumers: new Map() }
    this.#groups.set(name, notes)
    return notes
  }

  #addConsumer({ consumers }: GroupNotes, { consumer, after, removed }: NotedConsumer): void {
    const name = consumer.toString('latin1')
    const known = consumers.get(name)
    consumers.set(name, {
      consumer,
      after: known === undefined || isOlder(after, known.after) ? after : known.after,
      removed: removed || (known?.removed ?? false),
    })
  }
}
