/** Strings: on their way in one piece while bytes in the middle are overwritten and others added; those are brought afterwards, by their places. */
import { CommandWriter } from '../../resp/command-writer.ts'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf } from '../../upstream/lane.ts'
import { exchange } from '../key-transfer.ts'
import { ask } from '../typed/passage.ts'
import { temporaryKeyMs } from '../typed/staging.ts'
import type { StreamedString } from '../typed/streamed-string.ts'
import { stringWindowBytes } from '../typed/strings.ts'
import { streamString } from '../typed/typed-read.ts'
import type { TypedValue } from '../typed/typed-value.ts'
import { type Errand, type Moving, mustBeSound, Refused, Spoiled, Unread } from './moving.ts'

/** What is left for the hold. */
const lastRound = 100
const roundsMax = 50
const perQuestion = 500
/** Places closer than that are brought together. */
const gapBytes = 4_096

interface Range {
  readonly from: number
  readonly below: number
}

export class MovingString implements Moving {
  readonly staged: StreamedString
  readonly #errand: Errand

  constructor(errand: Errand, staged: StreamedString) {
    this.#errand = errand
    this.staged = staged
  }

  async approach(): Promise<void> {
    const { passage, key, notes } = this.#errand
    const error = await streamString(passage, key, this.staged)
    if (error !== null) throw new Unread(error)
    await this.staged.answered
    if (notes.spoiled === null && this.staged.isCut) throw new Spoiled('it got shorter')
    mustBeSound(notes, this.staged)
    for (let round = 0; notes.size > lastRound; round++) {
      if (round === roundsMax) throw new Spoiled('it is written to faster than it can be copied')
      await this.#catchUp()
    }
  }

  async finish(): Promise<TypedValue | null> {
    const { passage, key, notes } = this.#errand
    const replies = await ask(passage, (out) => out.command('STRLEN', key))
    const error = replies.error()
    if (error !== null) throw new Unread(error)
    const length = replies.integer()
    if (length === 0) return null
    const { sizeBytes } = this.staged
    if (length < sizeBytes) throw new Spoiled('it got shorter')
    await this.#catchUp()
    for (let at = sizeBytes; at < length; at += stringWindowBytes)
      await this.#bring([{ from: at, below: Math.min(length, at + stringWindowBytes) }])
    mustBeSound(notes, this.staged)
    return { kind: 'staged', sizeBytes: length, staged: this.staged }
  }

  /** Notes are taken first, then everything is waited for that was sent before: so the writes they stand for are in what is read. */
  async #catchUp(): Promise<void> {
    const { notes, drained } = this.#errand
    const { sizeBytes } = this.staged
    const ranges = merged(notes.takeRanges().map(({ from, below }) => ({ from, below: Math.min(below, sizeBytes) })))
    await drained()
    for (let at = 0; at < ranges.length; ) {
      const some: Range[] = []
      for (let bytes = 0; at < ranges.length && bytes < stringWindowBytes && some.length < perQuestion; at++) {
        const range = ranges[at] as Range
        some.push(range)
        bytes += range.below - range.from
      }
      await this.#bring(some)
    }
    mustBeSound(notes, this.staged)
  }

  async #bring(ranges: readonly Range[]): Promise<void> {
    const { passage, key } = this.#errand
    const replies = await ask(passage, (out) => {
      for (const { from, below } of ranges) out.command('GETRANGE', key, from, below - 1)
    })
    const out = new CommandWriter()
    for (const { from } of ranges) {
      const error = replies.error()
      if (error !== null) throw new Unread(error)
      out.command('SETRANGE', this.staged.name, from, replies.bulk() as Buffer)
    }
    out.command('PEXPIRE', this.staged.name, temporaryKeyMs)
    const said = new ReplyCursor(await exchange(passage.to, contextOf(2, passage.db), out.commands, (to) => out.writeTo(to)))
    for (let left = ranges.length; left > 0; left--) {
      const refusal = said.error()
      if (refusal !== null) throw new Refused(refusal)
      if (said.integer() < this.staged.sizeBytes) throw new Spoiled('its copy has ended')
    }
  }
}

/** In order, with those that overlap or nearly touch as one. */
export function merged(ranges: readonly Range[]): Range[] {
  const all: Range[] = []
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const before = all.at(-1)
    if (range.below <= range.from) continue
    if (before !== undefined && range.from - before.below <= gapBytes)
      all[all.length - 1] = { from: before.from, below: Math.max(before.below, range.below) }
    else all.push(range)
  }
  return all
}
