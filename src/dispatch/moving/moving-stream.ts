/**
 * Streams. An entry never changes, and one that is added is newer than all before it: so a copy grows at its end, and loses what was deleted
 * or trimmed. What is pending can change anywhere; who changes it names its ids, or how far the group is tells. Brought over in rounds that
 * get shorter, the last one under the hold. A round goes in an order of its own, since XCLAIM, which alone makes a pending entry, takes only
 * ids whose entries are there, and drops what is pending under another one:
 *
 *   what is deleted is looked up        so whatever was pending under it has changed for the last time, and that was noted before
 *   the notes of pending ids are taken  everything sent before is answered: they are all in what is read now
 *   noted and newly delivered ids       claimed anew, or acknowledged, on the copy
 *   entries, and what is pending        up to the last id there was; a page of entries before what is pending under its ids, so whoever was
 *   behind those that were copied       given one that is deleted by then is found, and a stand-in added for it while that is possible
 *   the deletions
 *
 * In the end both have as many entries, and each consumer has as much pending. A client that waits for entries (BLOCK) waits in Ferry; what
 * serves it is sent, noted and waited for as any other command is (session/blocking.ts).
 */
import { ask } from '../typed/passage.ts'
import { Staged } from '../typed/staging.ts'
import { askEntries, askLook, bringStretches, lookOf, type StreamErrand, type StreamLook } from '../typed/stream-read.ts'
import { isOlder, Strand } from '../typed/stream-stretch.ts'
import {
  addConsumers,
  addGroup,
  close,
  consumersOf,
  type Entry,
  entriesOf,
  open,
  type Pending,
  remove,
} from '../typed/streams.ts'
import type { TypedValue } from '../typed/typed-value.ts'
import { rest } from '../typed/windows.ts'
import { answerOf, type Errand, type Moving, mustBeSound, Spoiled, Unread } from './moving.ts'
import { PendingAgain } from './pending-again.ts'
import { mustBeAlike } from './stream-proof.ts'

/** What is left for the hold: of entries, and of ids that something is pending under. */
const lastRound = 500
/** Once so many rounds have not made it fewer: a consumer that asks again and again for what it has not acknowledged changes all of that. */
const shorterRounds = 10
const lastRoundMax = 5_000
const roundsMax = 50
const longerRoundsMax = 5
/** From here on a round ends where it is, and what was noted is brought before it goes on: most of it lies ahead, and is forgotten. */
const notesPerRound = 10_000
const idsPerQuestion = 500

interface MovedGroup {
  readonly name: Buffer
  /** What was delivered up to this id is copied, or noted. */
  delivered: string
}

interface Page {
  readonly entries: Strand<Entry>
  /** Of the stretch that it makes whole. */
  readonly end: string
  readonly bytes: number
}

export class MovingStream implements Moving {
  readonly staged: Staged
  readonly #errand: Errand
  readonly #stream: StreamErrand
  readonly #groups = new Map<string, MovedGroup>()
  /** Copied up to this id. */
  #reached = '0-0'
  /** Nothing older is in the copy. */
  #first = '0-0'
  /** The last id when it was begun. */
  #begunAt: string | null = null
  #added: number | null = null
  #sizeBytes = 0
  /** Of entries and of pending ids, brought in this round. */
  #rows = 0

  /** `step`: entries per page. */
  constructor(errand: Errand, step: number) {
    const { passage, key } = errand
    this.#errand = errand
    this.staged = new Staged(passage.to, passage.db, key)
    this.#stream = { passage, key, staged: this.staged, step }
  }

  async approach(): Promise<void> {
    const { notes } = this.#errand
    this.staged.send(open, 0)
    for (let [rounds, longer] = [0, 0]; ; ) {
      const before = this.#rows
      const look = await this.#round()
      if (look === null) throw new Spoiled('it is not there any more')
      const most = rounds < shorterRounds ? lastRound : lastRoundMax
      if (this.#reached === look.facts.lastId && this.#rows <= most && notes.size <= most) return
      // However long it is: what it had when it was begun comes to an end.
      if (this.#isBehind) continue
      if (this.#rows > lastRoundMax && this.#rows >= before) longer++
      if (++rounds === roundsMax || longer === longerRoundsMax) throw new Spoiled('it is written to faster than it can be copied')
    }
  }

  async finish(): Promise<TypedValue | null> {
    const { notes, passage, key } = this.#errand
    const look = await this.#round()
    if (look === null) return null
    const { facts, groups } = look
    if (facts.lastId !== this.#reached || notes.size > 0) throw new Spoiled('it was written to while it was held')
    if (notes.stream.awaited > 0) throw new Spoiled('what a claim did is not known')
    const replies = await ask(passage, (out) => {
      for (const { name } of groups) out.command('XINFO', 'CONSUMERS', key, name)
    })
    const whole = groups.map(({ name }) => ({ name, consumers: consumersOf(answerOf(replies)) }))
    this.staged.send((out, name) => {
      for (const group of whole) addConsumers(out, name, group)
      close(out, name, facts, groups)
    }, 0)
    await this.#sound()
    await mustBeAlike(passage, key, this.staged.name, groups)
    return { kind: 'staged', sizeBytes: this.#sizeBytes, staged: this.staged }
  }

  /** Null: there is no stream. Not all of it is copied where `#reached` is older than the last id. */
  async #round(): Promise<StreamLook | null> {
    const { notes, drained } = this.#errand
    const before = this.#reached
    this.#rows = 0
    const deleted = await this.#deletedBefore(before)
    const look = await this.#look()
    if (look === null) return null
    const groups = this.#know(look)
    // A claim whose reply tells what it did is noted when that is there; any other command when it is sent.
    await drained()
    const noted = notes.stream.takePending()
    await drained()
    const again = new PendingAgain(this.#stream, this.#first, before, () => this.#sound())
    for (const { group, lastId, isNew } of groups) {
      await again.delivered(group.name, group.delivered, !isNew && isOlder(lastId, before) ? lastId : before)
      group.delivered = lastId
    }
    for (const own of noted) if (this.#groups.has(nameOf(own.group))) await again.noted(own)
    this.#rows += again.rows
    await this.#stretches(look.facts.lastId)
    this.#letGo(deleted, look.facts.firstId)
    await this.#sound()
    return look
  }

  /** Not all is copied that it had when it was begun. */
  get #isBehind(): boolean {
    return this.#begunAt !== null && isOlder(this.#reached, this.#begunAt)
  }

  async #sound(): Promise<void> {
    await this.staged.answered
    mustBeSound(this.#errand.notes, this.staged)
  }

  /** Of the entries that may have been deleted, those that were. The ones that are not copied yet are found out by copying. */
  async #deletedBefore(reached: string): Promise<string[]> {
    const { notes, passage, key, drained } = this.#errand
    const ids = notes.stream.takeDeleted().filter((id) => !isOlder(reached, id))
    await drained()
    const gone: string[] = []
    for (let at = 0; at < ids.length; at += idsPerQuestion) {
      const some = ids.slice(at, at + idsPerQuestion)
      const replies = await ask(passage, (out) => {
        for (const id of some) out.command('XRANGE', key, id, id)
      })
      for (const id of some) if (entriesOf(answerOf(replies)).length === 0) gone.push(id)
    }
    return gone
  }

  async #look(): Promise<StreamLook | null> {
    const { passage, key } = this.#errand
    const look = lookOf(await ask(passage, (out) => askLook(out, key)))
    if (typeof look === 'string') throw new Unread(look)
    if (look === null) return null
    const { lastId, entriesAdded } = look.facts
    if (isOlder(lastId, this.#reached) || (entriesAdded !== null && entriesAdded < (this.#added ?? 0)))
      throw new Spoiled('it was made anew')
    this.#added = entriesAdded
    this.#begunAt ??= lastId
    return look
  }

  /** How far each group is by now. Of one that is new all is read, whatever was noted before it was seen. */
  #know({ groups }: StreamLook): { group: MovedGroup; lastId: string; isNew: boolean }[] {
    const all = groups.map(({ name, lastId }) => {
      const known = this.#groups.get(nameOf(name))
      if (known !== undefined && isOlder(lastId, known.delivered)) throw new Spoiled('a group of it was set back')
      const group = known ?? { name, delivered: '0-0' }
      this.#groups.set(nameOf(name), group)
      if (known === undefined) this.staged.send((out, place) => addGroup(out, place, { name, lastId }), 0)
      return { group, lastId, isNew: known === undefined }
    })
    if (all.length !== this.#groups.size) throw new Spoiled('a group of it is gone')
    return all
  }

  /** The entries up to an id, and what is pending under them, or as much as comes before too much is noted. */
  async #stretches(lastId: string): Promise<void> {
    const { notes } = this.#errand
    if (!isOlder(this.#reached, lastId)) return
    for (let reading: Promise<Page> | null = this.#page(this.#reached, lastId); reading !== null; ) {
      const { entries, end, bytes }: Page = await reading
      const pauses = this.#isBehind && notes.size > notesPerRound
      reading = pauses || !isOlder(end, lastId) ? null : this.#page(end, lastId)
      // Where this page fails nobody asks for the next one.
      reading?.catch(() => undefined)
      const start = `(${this.#reached}`
      const groups = [...this.#groups.values()].map(({ name }) => ({ name, strand: new Strand<Pending>(false, start, end) }))
      const brought = await bringStretches(this.#stream, entries, groups, (ids) => this.#letGoOfStandIns(ids))
      if (typeof brought === 'string') throw new Unread(brought)
      mustBeSound(notes, this.staged)
      this.#reached = end
      this.#sizeBytes += bytes + brought.sizeBytes
      this.#rows += brought.rows
      await rest(this.#stream.passage, bytes, this.staged)
    }
  }

  /** The entries behind one id up to another, or to the end of a page. What is pending under them is read after them, and up to their end. */
  async #page(after: string, lastId: string): Promise<Page> {
    const { passage, key, step } = this.#stream
    const entries = new Strand<Entry>(false, `(${after}`, lastId)
    const replies = await ask(passage, (out) => askEntries(out, key, entries, step))
    const rows = entriesOf(answerOf(replies))
    // All that there is in this stretch.
    entries.add(rows, rows.length + 1)
    const last = rows.length < step ? undefined : rows.at(-1)
    return { entries, end: last?.id ?? lastId, bytes: replies.bytes.length }
  }

  /** Those that were deleted. The ones that were trimmed are so with the next round: trimming here could outrun what is noted. */
  async #letGoOfStandIns(ids: readonly string[]): Promise<void> {
    const { passage, key } = this.#errand
    const replies = await ask(passage, (out) => out.command('XRANGE', key, '-', '+', 'COUNT', 1))
    const first = entriesOf(answerOf(replies))[0]
    const deleted = first === undefined ? [] : ids.filter((id) => !isOlder(id, first.id))
    if (deleted.length > 0) this.staged.send((out, name) => remove(out, name, deleted), 0)
  }

  /** Trimming first: what is trimmed does not count as deleted. */
  #letGo(deleted: readonly string[], firstId: string | null): void {
    this.staged.send((out, name) => {
      if (firstId === null) out.command('XTRIM', name, 'MAXLEN', 0)
      else if (isOlder(this.#first, firstId)) out.command('XTRIM', name, 'MINID', firstId)
      remove(out, name, deleted)
    }, 0)
    if (firstId !== null) this.#first = firstId
  }
}

const nameOf = (name: Buffer): string => name.toString('latin1')
