/**
 * Hashes, sets and sorted sets. A cursor gives every element that is there all along; what is written to meanwhile is asked for again by name,
 * in rounds that get shorter, the last one under the hold. Then both have the same number of elements, unless something was removed in a way
 * that nobody noted (the key expired, say, and was made anew): that is found out by the number, since such an element is left over.
 */
import type { CommandWriter } from '../../resp/command-writer.ts'
import { CommandWriter as Writer } from '../../resp/command-writer.ts'
import type { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf } from '../../upstream/lane.ts'
import { exchange } from '../key-transfer.ts'
import { askEnds, hashes, withEnds } from '../typed/hashes.ts'
import { ask } from '../typed/passage.ts'
import { sets } from '../typed/sets.ts'
import { nextCursor, type Shape, writeFlat } from '../typed/shape.ts'
import { scoreFirst, sortedSets } from '../typed/sorted-sets.ts'
import { Staged } from '../typed/staging.ts'
import type { TypedValue } from '../typed/typed-value.ts'
import { rest } from '../typed/windows.ts'
import { type Errand, type Moving, mustBeSound, Spoiled, Unread } from './moving.ts'

/** What is left for the hold. */
const lastRound = 500
const roundsMax = 50
const perQuestion = 1_000

interface Kind {
  readonly shape: Shape
  readonly scanVerb: string
  readonly removeVerb: Buffer
  /** Asks for elements by name; `read` gives what is written for each, null where there is none. */
  readonly ask: (out: CommandWriter, key: Buffer, names: readonly Buffer[]) => void
  readonly read: (replies: ReplyCursor, names: readonly Buffer[]) => (readonly Buffer[] | null)[]
  /** From how the cursor gives elements to how they are written. */
  readonly order: (flat: Buffer[]) => Buffer[]
}

const asIs = (flat: Buffer[]): Buffer[] => flat

function mustNotFail(replies: ReplyCursor): void {
  const error = replies.error()
  if (error !== null) throw new Unread(error)
}

const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  [
    'hash',
    {
      shape: hashes,
      scanVerb: 'HSCAN',
      removeVerb: Buffer.from('HDEL'),
      ask: (out, key, names) => writeFlat(out, Buffer.from('HMGET'), key, names),
      read: (replies, names) => {
        mustNotFail(replies)
        replies.integer()
        return names.map((name) => {
          const value = replies.bulk()
          return value === null ? null : [name, value]
        })
      },
      order: asIs,
    },
  ],
  [
    'set',
    {
      shape: sets,
      scanVerb: 'SSCAN',
      removeVerb: Buffer.from('SREM'),
      ask: (out, key, names) => {
        for (const name of names) out.command('SISMEMBER', key, name)
      },
      read: (replies, names) =>
        names.map((name) => {
          mustNotFail(replies)
          return replies.integer() === 1 ? [name] : null
        }),
      order: asIs,
    },
  ],
  [
    'zset',
    {
      shape: sortedSets,
      scanVerb: 'ZSCAN',
      removeVerb: Buffer.from('ZREM'),
      ask: (out, key, names) => {
        for (const name of names) out.command('ZSCORE', key, name)
      },
      read: (replies, names) =>
        names.map((name) => {
          mustNotFail(replies)
          const score = replies.bulk()
          return score === null ? null : [score, name]
        }),
      order: scoreFirst,
    },
  ],
])

export const movesByElements = (type: string): boolean => kinds.has(type)

export class MovingElements implements Moving {
  readonly staged: Staged
  readonly #errand: Errand
  readonly #kind: Kind
  readonly #step: number
  #sizeBytes = 0

  /** `step`: elements per window. */
  constructor(errand: Errand, type: string, step: number) {
    this.#errand = errand
    this.#kind = kinds.get(type) as Kind
    this.#step = step
    this.staged = new Staged(errand.passage.to, errand.passage.db, errand.key)
  }

  async approach(): Promise<void> {
    const { notes, drained } = this.#errand
    await drained()
    for (let cursor: string | null = '0'; cursor !== null; ) cursor = await this.#window(cursor)
    for (let round = 0; notes.size > lastRound; round++) {
      if (round === roundsMax) throw new Spoiled('it is written to faster than it can be copied')
      await this.#catchUp()
    }
  }

  async finish(): Promise<TypedValue | null> {
    const { passage, key } = this.#errand
    await this.#catchUp()
    await this.staged.answered
    mustBeSound(this.#errand.notes, this.staged)
    const verb = this.#kind.shape.countVerb
    const here = await ask(passage, (out) => void out.begin(2).add(verb).add(key))
    const out = new Writer()
    out.begin(2).add(verb).add(this.staged.name)
    const there = await exchange(passage.to, contextOf(2, passage.db), 1, (to) => out.writeTo(to))
    mustNotFail(here)
    const count = here.integer()
    if (count === 0) return null
    if (String(there).trim() !== `:${count}`) throw new Spoiled(`it has ${count} elements, its copy ${String(there).trim()}`)
    return { kind: 'staged', sizeBytes: this.#sizeBytes, staged: this.staged }
  }

  async #window(cursor: string): Promise<string | null> {
    const { passage, key, notes } = this.#errand
    const { scanVerb, shape, order } = this.#kind
    const replies = await ask(passage, (out) => out.command(scanVerb, key, cursor, 'COUNT', this.#step))
    mustNotFail(replies)
    replies.integer()
    const next = nextCursor(replies.bulk())
    const flat = order(replies.bulks())
    await this.#mustNotEnd(flat)
    await this.staged.answered
    mustBeSound(notes, this.staged)
    this.#sizeBytes += replies.bytes.length
    if (flat.length > 0) this.staged.send((out, name) => shape.write(out, name, { flat, ends: null }), replies.bytes.length)
    await rest(passage, replies.bytes.length, this.staged)
    return next
  }

  /** Elements that vanish by themselves cannot be counted. */
  async #mustNotEnd(flat: readonly Buffer[]): Promise<void> {
    const { passage, key } = this.#errand
    if (this.#kind.shape !== hashes || !passage.route.fieldEnds || flat.length === 0) return
    const replies = await ask(passage, (out) => askEnds(out, key, flat))
    const error = replies.error()
    if (error !== null) {
      if (!/unknown command/i.test(error)) throw new Unread(error)
      passage.route.fieldEnds = false
      return
    }
    if (withEnds(flat, replies).ends !== null) throw new Spoiled(fieldsExpire)
  }

  /** Notes are taken first, then everything is waited for that was sent before: so the writes they stand for are in what is read. */
  async #catchUp(): Promise<void> {
    const { passage, key, notes, drained } = this.#errand
    const names = notes.takeElements()
    await drained()
    for (let at = 0; at < names.length; at += perQuestion) {
      const some = names.slice(at, at + perQuestion)
      const replies = await ask(passage, (out) => this.#kind.ask(out, key, some), some.length * 64)
      const found = this.#kind.read(replies, some)
      await this.#mustNotEnd(found.flatMap((element) => element ?? []))
      await this.staged.answered
      mustBeSound(notes, this.staged)
      const flat = found.flatMap((element) => element ?? [])
      const gone = some.filter((_, i) => found[i] === null)
      this.staged.send((out, name) => {
        if (flat.length > 0) this.#kind.shape.write(out, name, { flat, ends: null })
        if (gone.length > 0) writeFlat(out, this.#kind.removeVerb, name, gone)
      }, replies.bytes.length)
    }
    mustBeSound(notes, this.staged)
  }
}

const fieldsExpire = 'its fields expire one by one'
