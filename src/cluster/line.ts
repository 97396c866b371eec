/** The replies on their way to the lane: in the order of its commands, whichever server answers first. */

/** A place in the order. */
export class Place {
  next: Place | null = null
  finished = false
  /** Some of a reply is there, and not all of it. */
  begun = false
  /** Of a place that is not the first yet. */
  held: Buffer[] | null = null

  /** Whether that server has still to answer, for it to be finished. */
  isOwedBy(_server: object): boolean {
    return false
  }
}

export class Line {
  /** Bytes that wait: for an earlier reply, or for the rest of what they are a part of (`keep`). */
  heldBytes = 0
  #first: Place | null = null
  #last: Place | null = null
  readonly #emit: (bytes: Buffer) => void

  constructor(emit: (bytes: Buffer) => void) {
    this.#emit = emit
  }

  get first(): Place | null {
    return this.#first
  }

  /** So many bytes more wait for the rest of what they are a part of, or less. */
  keep(bytes: number): void {
    this.heldBytes += bytes
  }

  push(place: Place): void {
    if (this.#last === null) this.#first = place
    else this.#last.next = place
    this.#last = place
  }

  /** Puts `place` where `before` stands, and that one behind it. Bytes that `before` holds belong to `earlier`, which goes first. */
  insert(place: Place, before: Place): void {
    place.next = before
    if (this.#first === before) {
      this.#first = place
      return
    }
    if (before.held !== null) {
      const earlier = new Place()
      earlier.held = before.held
      earlier.finished = true
      before.held = null
      this.#link(earlier, before)
      earlier.next = place
    } else this.#link(place, before)
  }

  /** Behind everything that is answered, at least in part: a push of the server that gave those answers. */
  interject(place: Place): void {
    let behind: Place | null = null
    for (let at = this.#first; at !== null; at = at.next) if (at.finished || at.begun) behind = at
    if (behind === null) {
      place.next = this.#first
      this.#first = place
    } else {
      place.next = behind.next
      behind.next = place
    }
    if (this.#last === behind) this.#last = place
  }

  deliver(place: Place, bytes: Buffer, ended: boolean): void {
    if (bytes.length === 0) {
      // It ends without a byte of its own.
    } else if (place === this.#first) this.#emit(bytes)
    else {
      place.held ??= []
      place.held.push(bytes)
      this.heldBytes += bytes.length
    }
    place.begun = !ended
    if (!ended) return
    place.finished = true
    if (place === this.#first) this.#advance()
  }

  #link(place: Place, before: Place): void {
    let at = this.#first
    while (at !== null && at.next !== before) at = at.next
    if (at !== null) at.next = place
  }

  #advance(): void {
    while (this.#first?.finished) {
      const place: Place | null = this.#first.next
      this.#first = place
      if (place === null) this.#last = null
      else if (place.held !== null) {
        const held = place.held
        place.held = null
        for (const bytes of held) {
          this.heldBytes -= bytes.length
          this.#emit(bytes)
        }
      }
    }
  }
}
