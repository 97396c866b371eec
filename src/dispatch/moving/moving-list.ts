/**
 * Lists, from their right end to their left one, so that what is pushed and popped at the left does not move what is still to be read. What
 * happens at the right end is reckoned with: pushes and pops are noted in the order in which the server runs them, and a window is read while
 * none is under way. The length proves at each window that nothing else took or gave elements; whatever changes a list in between spoils it.
 */

import { ask } from '../typed/passage.ts'
import { writeFlat } from '../typed/shape.ts'
import { Staged } from '../typed/staging.ts'
import type { TypedValue } from '../typed/typed-value.ts'
import { rest } from '../typed/windows.ts'
import { type Errand, type Moving, mustBeSound, Spoiled, Unread } from './moving.ts'

const lpush = Buffer.from('LPUSH')
const rpush = Buffer.from('RPUSH')
/** How much of it is left for the hold, in windows. */
const lastWindows = 2

export class MovingList implements Moving {
  readonly staged: Staged
  readonly #errand: Errand
  readonly #step: number
  #sizeBytes = 0
  /** When it was begun. */
  #length = 0
  /** Of those it had then, counted from the right: so many are over there. */
  #copied = 0
  /** Not read yet, when it was last looked at. */
  #left = 0

  constructor(errand: Errand, step: number) {
    this.#errand = errand
    this.#step = step
    this.staged = new Staged(errand.passage.to, errand.passage.db, errand.key)
  }

  async approach(): Promise<void> {
    const { briefly, notes, passage } = this.#errand
    let restedBytes = 0
    const first = await briefly(async () => {
      notes.begin()
      this.#length = await this.#lengthNow()
      return this.#read()
    })
    this.#send(first)
    while (this.#left > lastWindows * this.#step) {
      // The writers' turn.
      await this.staged.answered
      await rest(passage, this.#sizeBytes - restedBytes, this.staged)
      restedBytes = this.#sizeBytes
      mustBeSound(notes, this.staged)
      this.#send(await briefly(() => this.#read()))
    }
  }

  async finish(): Promise<TypedValue | null> {
    const { notes } = this.#errand
    do {
      const window = await this.#read()
      if (window.length === 0 && this.#copied === 0) return null
      await this.staged.answered
      mustBeSound(notes, this.staged)
      this.#send(window)
    } while (this.#left > 0)
    await this.#rightEnd(-notes.rightLeast, notes.right - notes.rightLeast)
    await this.staged.answered
    mustBeSound(notes, this.staged)
    return { kind: 'staged', sizeBytes: this.#sizeBytes, staged: this.staged }
  }

  async #lengthNow(): Promise<number> {
    const { passage, key } = this.#errand
    const replies = await ask(passage, (out) => out.command('LLEN', key))
    const error = replies.error()
    if (error !== null) throw new Unread(error)
    return replies.integer()
  }

  /** The next window, while no write of the list is under way; and whether what was noted since the last one explains what is there. */
  async #read(): Promise<Buffer[]> {
    const { notes, passage, key } = this.#errand
    // Pops at one end must not have reached what was copied from the other.
    if (this.#copied > 0 && (notes.leftPops > this.#left || -notes.rightLeast >= this.#copied))
      throw new Spoiled('it is nearly emptied')
    const right = this.#copied + notes.right
    const replies = await ask(passage, (out) => {
      out.command('LLEN', key).command('LRANGE', key, -(right + this.#step), -(right + 1))
    })
    const error = replies.error()
    if (error !== null) throw new Unread(error)
    const length = replies.integer()
    const flat = replies.bulks().reverse()
    mustBeSound(notes, this.staged)
    if (length !== this.#length + notes.left + notes.right)
      throw new Spoiled('its length is not what its pushes and pops make it')
    if (flat.length !== Math.min(this.#step, length - right)) throw new Spoiled('it changed while nobody wrote to it')
    notes.leftPops = 0
    this.#sizeBytes += replies.bytes.length
    this.#copied += flat.length
    this.#left = length - right - flat.length
    return flat
  }

  #send(flat: readonly Buffer[]): void {
    if (flat.length > 0) this.staged.send((out, name) => writeFlat(out, lpush, name, flat), 0)
  }

  /** Takes off what was popped there, and puts on what was pushed since. */
  async #rightEnd(popped: number, pushed: number): Promise<void> {
    const { passage, key, notes } = this.#errand
    await this.staged.answered
    if (popped > 0) this.staged.send((out, name) => out.command('LTRIM', name, 0, -(popped + 1)), 0)
    for (let left = pushed; left > 0; left -= this.#step) {
      const count = Math.min(this.#step, left)
      const replies = await ask(passage, (out) => out.command('LRANGE', key, -left, count - left - 1))
      const error = replies.error()
      if (error !== null) throw new Unread(error)
      const flat = replies.bulks()
      if (flat.length !== count) throw new Spoiled('it got shorter while nobody wrote to it')
      await this.staged.answered
      mustBeSound(notes, this.staged)
      this.staged.send((out, name) => writeFlat(out, rpush, name, flat), replies.bytes.length)
    }
  }
}
