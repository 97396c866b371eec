/**
 * Which parts of a key are written to while it is copied without being held. A note is taken before its write is sent, so whoever takes the
 * notes and then waits until everything sent before is answered finds these writes in the value. What cannot be told in parts spoils the
 * copy: it has to begin anew.
 */
import type { ArgView } from '../../commands/arg-view.ts'
import { arityOk, type CommandSpec } from '../../commands/spec.ts'
import { stripeOf } from '../../routing/stripe.ts'
import { type DbKey, framesIn, specOf } from '../command-keys.ts'
import type { OrderBoard } from '../order-board.ts'
import { StreamNotes } from './stream-notes.ts'
import { touchOf } from './touch.ts'

/** Beyond it a copy is spoiled: at a thousand writes in a millisecond it would never catch up. */
const touchesMax = 500_000

export class KeyNotes {
  readonly db: number
  readonly key: Buffer
  readonly stripe: number
  /** Why what was copied so far is of no use, or null. */
  spoiled: string | null = null
  /** Of a list: how many elements more it has at either end than when `begin` was called, and the fewest it had in between. */
  right = 0
  rightLeast = 0
  left = 0
  /** Its expiry was set or taken away. */
  endMoved = false
  /** Taken from the left since this was set to 0. */
  leftPops = 0
  readonly stream = new StreamNotes()
  #elements = new Map<string, Buffer>()
  #ranges: { from: number; below: number }[] = []

  constructor(db: number, key: Buffer) {
    this.db = db
    this.key = Buffer.from(key)
    this.stripe = stripeOf(key, 0, key.length, db)
  }

  /** Touched and not taken. */
  get size(): number {
    return this.#elements.size + this.#ranges.length + this.stream.size
  }

  takeElements(): Buffer[] {
    const taken = [...this.#elements.values()]
    this.#elements.clear()
    return taken
  }

  takeRanges(): { from: number; below: number }[] {
    return this.#ranges.splice(0)
  }

  begin(): void {
    this.right = 0
    this.rightLeast = 0
    this.left = 0
    this.leftPops = 0
  }

  spoil(reason: string): void {
    this.spoiled ??= reason
    this.#elements.clear()
    this.#ranges = []
    this.stream.clear()
  }

  wrote(name: string, args: ArgView): void {
    if (this.spoiled !== null) return
    const touch = touchOf(name, args, this.key)
    if (touch === null) {
      this.spoil(`${name} may have changed any part of it`)
      return
    }
    switch (touch.kind) {
      case 'evident':
        return
      case 'nothing':
        this.endMoved = true
        return
      case 'elements':
        for (const element of touch.names) this.#elements.set(element.toString('latin1'), element)
        break
      case 'bytes':
        if (touch.below > touch.from) this.#ranges.push({ from: touch.from, below: touch.below })
        break
      case 'push':
      case 'pop':
        this.#moved(touch.end, touch.kind === 'push' ? touch.count : -touch.count)
        break
      default:
        this.stream.add(touch)
    }
    if (this.size > touchesMax) this.spoil(`more than ${touchesMax} parts of it were written to meanwhile`)
  }

  /** What a command did that was noted as one whose reply tells: as commands; null: it did not tell. */
  told(name: string, effect: readonly Buffer[] | null): void {
    if (this.spoiled !== null) return
    this.stream.awaited = Math.max(0, this.stream.awaited - 1)
    if (effect === null) this.spoil(`the reply of ${name} did not tell what it did`)
    for (const frame of effect ?? []) for (const args of framesIn(frame, 0, frame.length)) this.wrote(specOf(args).name, args)
  }

  #moved(end: 'left' | 'right', by: number): void {
    if (end === 'right') {
      this.right += by
      this.rightLeast = Math.min(this.rightLeast, this.right)
    } else {
      this.left += by
      if (by < 0) this.leftPops -= by
    }
  }
}

/** What XAUTOCLAIM claims, its arguments do not tell. */
const isTold = (name: string): boolean => name === 'xautoclaim'

/** The keys that are being copied like this; few at a time. */
export class WriteNotes {
  readonly #board: OrderBoard
  readonly #open = new Set<KeyNotes>()

  constructor(board: OrderBoard) {
    this.#board = board
  }

  get any(): boolean {
    return this.#open.size > 0
  }

  /** From here on every write of the key is noted, until `close`. Writes sent before are not. */
  open(db: number, key: Buffer): KeyNotes {
    const notes = new KeyNotes(db, key)
    this.#open.add(notes)
    this.#board.beginNotes(notes.stripe)
    return notes
  }

  close(notes: KeyNotes): void {
    if (this.#open.delete(notes)) this.#board.endNotes(notes.stripe)
  }

  /** Before the command is sent. */
  wrote(spec: CommandSpec, args: ArgView, keys: readonly DbKey[]): void {
    for (const notes of this.#open) {
      if (!keys.some(({ db, key }) => db === notes.db && key.equals(notes.key))) continue
      // Arguments that make no sense are refused by the server.
      if (!arityOk(spec, args.argc)) continue
      if (keys.length === 1 || spec.name === 'xreadgroup') notes.wrote(spec.name, args)
      else notes.spoil(`${spec.name} may have changed any part of it`)
    }
  }

  /** The reply of a command is there, and its effect known (see `KeyNotes.told`). */
  told(name: string, effect: readonly Buffer[] | null, keys: readonly DbKey[]): void {
    if (!isTold(name)) return
    for (const notes of this.#open)
      if (keys.some(({ db, key }) => db === notes.db && key.equals(notes.key))) notes.told(name, effect)
  }

  /** In a way that tells nothing of its parts. */
  changed(keys: readonly DbKey[], reason: string): void {
    for (const notes of this.#open) if (keys.some(({ db, key }) => db === notes.db && key.equals(notes.key))) notes.spoil(reason)
  }

  changedAll(reason: string): void {
    for (const notes of this.#open) notes.spoil(reason)
  }
}
