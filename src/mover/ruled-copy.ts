/**
 * Copies a batch by rules: asks both sides what the rules need to know, all of it in one round trip each, and hands every key over to whatever
 * they say about it. What is written by nobody else meanwhile ends as the rules have it; what comes to be on the target between a question and
 * its write is never overwritten by `skip` and `merge`, except that elements are added to it. Under both, a key whose copy was cut off after it
 * had been written is found there by the next try, and then counts as skipped or merged.
 */
import type { AccessCarry } from '../dispatch/access-carry.ts'
import type { Payload } from '../dispatch/key-transfer.ts'
import { isAbsent } from '../dispatch/key-transfer.ts'
import { longKeys } from '../dispatch/long-keys.ts'
import { placeIsTaken, writeNewValues } from '../dispatch/new-values.ts'
import type { ScanLedger } from '../dispatch/scan-ledger.ts'
import type { Passage } from '../dispatch/typed/passage.ts'
import { PayloadRoute } from '../dispatch/typed/payload-route.ts'
import { Windows } from '../dispatch/typed/windows.ts'
import { readLong, readValues, writeValues } from '../dispatch/value-transfer.ts'
import { CommandWriter } from '../resp/command-writer.ts'
import { printable } from '../resp/printable.ts'
import { isNewer, type Merge, mergeOf } from '../routing/conflict.ts'
import { type CopyRules, type SkipReason, skipReasons } from '../routing/copy-rules.ts'
import { KeyFilter } from '../routing/key-filter.ts'
import { KeyRename } from '../routing/key-rename.ts'
import type { Lane } from '../upstream/lane.ts'
import { eachToItsEnd } from './each-to-its-end.ts'
import { mergeElements } from './element-merge.ts'
import type { KeyEnds } from './key-end.ts'
import { appendLists } from './list-append.ts'
import type { LongPace } from './long-pace.ts'
import type { KeyCount } from './scan.ts'
import { askSide } from './side-question.ts'

/** A key that the filter lets pass, as far as it was asked for. */
interface Found {
  readonly key: Buffer
  readonly place: Buffer
  /** `none` also where it was not asked for. */
  readonly sourceType: string
  readonly targetType: string
}

/** One batch under way. */
interface Batch {
  readonly from: Lane
  readonly to: Lane
  readonly db: number
  readonly ends: KeyEnds
}

const never = (): boolean => false

export class RuledCopy {
  readonly skipped: Record<SkipReason, number>
  readonly #rules: CopyRules
  /** Twelve hexadecimal digits, the same for all runs of one copy. */
  readonly #copyId: string
  readonly #access: AccessCarry | null
  readonly #filter: KeyFilter
  readonly #rename: KeyRename
  /** Whether a key that the source has no more is removed from the target: not where that one may never have been meant. */
  readonly #deletes: boolean
  readonly #longBytes: number
  /** Of the job, which sets it; null: long values are copied as fast as they can be. */
  pace: LongPace | null = null
  #route: PayloadRoute | null = null

  /** `longBytes`: a value that takes more is never asked for in one command. */
  constructor(rules: CopyRules, copyId: string, longBytes: number, carry: AccessCarry | null = null) {
    this.#longBytes = longBytes
    this.#rules = rules
    this.#copyId = copyId
    this.#access = carry
    this.#filter = new KeyFilter(rules.filter)
    this.#rename = new KeyRename(rules.rename)
    const replaces = rules.onConflict === 'refuse' || rules.onConflict === 'replace'
    this.#deletes = replaces && !this.#filter.asksFacts
    this.skipped = Object.fromEntries(skipReasons.map((reason) => [reason, 0])) as Record<SkipReason, number>
  }

  /** Counts from nothing, or on from where an earlier run had come. */
  begin(checkpoint: Readonly<Record<string, unknown>> | null): void {
    for (const reason of skipReasons) this.skipped[reason] = Number(checkpoint?.[`skipped:${reason}`] ?? 0)
  }

  /** For a checkpoint. */
  counted(): Record<string, number> {
    return Object.fromEntries(skipReasons.map((reason) => [`skipped:${reason}`, this.skipped[reason]]))
  }

  /** A database that is left out is not scanned: its keys count by what the server tells of them, where they do (`ledger`). */
  leaveOut(counts: Map<number, KeyCount>, ledger: ScanLedger | null): void {
    for (const [db, { keys }] of [...counts]) {
      if (this.#filter.takesDatabase(db)) continue
      counts.delete(db)
      if (ledger === null) continue
      this.skipped.database += keys
      ledger.found(keys)
      ledger.ended('skipped', keys)
    }
  }

  /** Of a page of SCAN: those whose names are taken. The others are counted. */
  named(db: number, keys: readonly Buffer[]): Buffer[] {
    return keys.filter((key) => {
      const reason = this.#filter.byName(db, key)
      if (reason !== null) this.skipped[reason]++
      return reason === null
    })
  }

  /** Where each key ends is put into `ends` as soon as it is known. Rejects with TransferLost. */
  async carry(from: Lane, to: Lane, db: number, keys: readonly Buffer[], ends: KeyEnds): Promise<void> {
    this.pace?.begin()
    try {
      await this.#carry({ from, to, db, ends }, keys)
    } finally {
      this.pace?.end()
    }
  }

  async #carry(batch: Batch, keys: readonly Buffer[]): Promise<void> {
    const { db, ends } = batch
    const taken = keys.filter((key) => {
      const reason = this.#filter.byName(db, key)
      if (reason !== null) ends.set(key, { kind: 'skipped', reason })
      return reason === null
    })
    const found = await this.#ask(batch, taken)
    const { onConflict } = this.#rules
    if (onConflict === 'merge') await this.#merge(batch, found)
    else if (onConflict === 'skip') await this.#skip(batch, found)
    else await this.#replace(batch, found)
  }

  async #replace(batch: Batch, found: readonly Found[]): Promise<void> {
    await this.#write(batch, found, writeValues, this.#deletes)
  }

  async #skip(batch: Batch, found: readonly Found[]): Promise<void> {
    const free = found.filter(({ key, targetType }) => {
      if (targetType !== 'none') batch.ends.set(key, { kind: 'skipped', reason: 'on-conflict' })
      return targetType === 'none'
    })
    await this.#create(batch, free)
    for (const { key } of free) {
      const end = batch.ends.get(key)
      if (end?.kind === 'failed' && end.error === placeIsTaken) batch.ends.set(key, { kind: 'skipped', reason: 'on-conflict' })
    }
  }

  async #merge(batch: Batch, all: readonly Found[]): Promise<void> {
    const { ends } = batch
    const by: Record<Merge['how'], Found[]> = { create: [], replace: [], add: [], append: [], keep: [], compare: [], leave: [] }
    for (const found of all) {
      const merge = mergeOf(found.sourceType, found.targetType, this.#rules.merge.strings)
      if (merge.how === 'leave') ends.set(found.key, { kind: 'failed', error: merge.why, side: 'target' })
      by[merge.how].push(found)
    }
    const newer = await this.#newer(batch, by.compare)
    for (const { key } of by.keep) ends.set(key, { kind: 'skipped', reason: 'merge-strings' })
    const passage = this.#passage(batch)
    const works = [
      () => this.#create(batch, by.create),
      () => this.#replace(batch, [...by.replace, ...newer]),
      () =>
        mergeElements(
          passage,
          by.add.map(({ key, place, sourceType }) => ({ key, place, type: sourceType })),
          ends,
        ),
      () =>
        appendLists(
          passage,
          this.#copyId,
          by.append.map(({ key, place, targetType }) => ({ key, place, isThere: targetType !== 'none' })),
          ends,
        ),
    ]
    await eachToItsEnd(works, works.length, (work) => work())
  }

  /** Those whose value on the source was used later. Ages are asked for before any value is read, since that makes it look used. */
  async #newer({ from, to, db, ends }: Batch, all: readonly Found[]): Promise<Found[]> {
    const [here, there] = [new CommandWriter(), new CommandWriter()]
    for (const { key, place } of all) {
      here.command('OBJECT', 'IDLETIME', key)
      there.command('OBJECT', 'IDLETIME', place)
    }
    const [ofSource, ofTarget] = await Promise.all([askSide(from, db, here), askSide(to, db, there)])
    return all.filter(({ key }) => {
      const [sourceIdle, targetIdle] = [ofSource.reply(), ofTarget.reply()]
      if (typeof sourceIdle === 'number' && typeof targetIdle === 'number') {
        if (isNewer(sourceIdle, targetIdle)) return true
        ends.set(key, { kind: 'skipped', reason: 'merge-strings' })
      } else {
        const [side, said] =
          typeof sourceIdle === 'number' ? (['target', targetIdle] as const) : (['source', sourceIdle] as const)
        const why = said !== null && typeof said === 'object' && 'error' in said ? said.error : 'it is gone'
        ends.set(key, { kind: 'failed', error: `cannot be told apart by age: ${side}: ${why}`, side })
      }
      return false
    })
  }

  async #create(batch: Batch, found: readonly Found[]): Promise<void> {
    await this.#write(batch, found, writeNewValues, false)
  }

  /** Whole values, under the names that they have on the target. `deletes`: what the source does not have is removed there. */
  async #write(batch: Batch, found: readonly Found[], write: typeof writeValues, deletes: boolean): Promise<void> {
    if (found.length === 0) return
    const { from, db } = batch
    const keys = found.map(({ key }) => key)
    const areLong = await longKeys(from, db, keys, this.#longBytes)
    const short = areLong.size === 0 ? found : found.filter(({ key }) => !areLong.has(key))
    await this.#writeShort(batch, short, write, deletes)
    for (const one of found) if (areLong.has(one.key)) await this.#writeLong(batch, one, write, deletes)
  }

  async #writeShort(batch: Batch, found: readonly Found[], write: typeof writeValues, deletes: boolean): Promise<void> {
    if (found.length === 0) return
    const { from, to, db } = batch
    const keys = found.map(({ key }) => key)
    const payloads = await readValues(from, to, db, keys, never, (key) => this.#rename.nameOf(key), this.#access)
    await this.#put(batch, found, payloads, write, deletes)
  }

  /** What was counted window by window does not count once more. */
  async #writeLong(batch: Batch, found: Found, write: typeof writeValues, deletes: boolean): Promise<void> {
    const { key } = found
    const passage = this.#passage(batch)
    await this.#put(batch, [found], await readLong(passage, key, this.#access), write, deletes)
    const end = batch.ends.get(key)
    if (end?.kind !== 'copied') return
    batch.ends.set(key, { kind: 'copied', bytes: Math.max(0, end.bytes - (passage.windows?.bytes ?? 0)) })
  }

  async #put(
    { from, to, db, ends }: Batch,
    found: readonly Found[],
    payloads: readonly Payload[],
    write: typeof writeValues,
    deletes: boolean,
  ): Promise<void> {
    const sent: Payload[] = []
    payloads.forEach((payload, i) => {
      if (deletes || !isAbsent(payload)) sent.push({ ...payload, key: (found[i] as Found).place })
    })
    const errors = await write(from, to, db, sent)
    let at = 0
    for (const payload of payloads) {
      const { key, bytes, typed, error: unread } = payload
      const error = deletes || !isAbsent(payload) ? (errors[at++] as string | null) : null
      if (error !== null) ends.set(key, { kind: 'failed', error, side: unread === null ? 'target' : 'source' })
      else if (isAbsent(payload)) ends.set(key, { kind: 'absent' })
      else ends.set(key, { kind: 'copied', bytes: bytes?.length ?? typed?.sizeBytes ?? 0 })
    }
  }

  /** What the filter, the rule and the names need to know. */
  async #ask({ from, to, db, ends }: Batch, keys: readonly Buffer[]): Promise<Found[]> {
    const merges = this.#rules.onConflict === 'merge'
    const { type: typeMatters, sizeBytes: sizeMatters, ttlMs: ttlMatters } = this.#filter.asks
    const asksType = merges || this.#filter.asksFacts
    const asksTarget = merges || this.#rules.onConflict === 'skip'
    const all = keys.map((key) => ({ key, place: this.#rename.nameOf(key), rivals: this.#rivals(db, key) }))
    const [here, there] = [new CommandWriter(), new CommandWriter()]
    for (const { key, place, rivals } of all) {
      for (const rival of rivals) here.command('EXISTS', rival)
      if (asksType || rivals.length > 0) here.command('TYPE', key)
      if (ttlMatters) here.command('PTTL', key)
      if (sizeMatters) here.command('MEMORY', 'USAGE', key)
      if (asksTarget) there.command('TYPE', place)
    }
    const [ofSource, ofTarget] = await Promise.all([askSide(from, db, here), askSide(to, db, there)])
    return all.flatMap(({ key, place, rivals }) => {
      const refusals: { error: string; side: 'source' | 'target' }[] = []
      const answer = <T>(asked: boolean, side: 'source' | 'target', read: () => T, otherwise: T): T => {
        const error = asked ? (side === 'source' ? ofSource : ofTarget).error() : null
        if (error !== null) refusals.push({ error, side })
        return asked && error === null ? read() : otherwise
      }
      const there = rivals.filter(() => answer(true, 'source', () => ofSource.integer(), 0) === 1)
      const isTyped = asksType || rivals.length > 0
      const sourceType = answer(isTyped, 'source', () => ofSource.line(), 'none')
      const ttlMs = answer(ttlMatters, 'source', () => ofSource.integer(), -1)
      const sizeBytes = answer(sizeMatters, 'source', () => Number(ofSource.reply() ?? -1), 0)
      const targetType = answer(asksTarget, 'target', () => ofTarget.line(), 'none')
      const refusal = refusals[0]
      if (refusal !== undefined) ends.set(key, { kind: 'failed', ...refusal })
      else if (isTyped && sourceType === 'none' && (!this.#deletes || there.length > 0)) ends.set(key, { kind: 'absent' })
      else {
        const reason =
          typeMatters || sizeMatters || ttlMatters ? this.#filter.byFacts({ type: sourceType, ttlMs, sizeBytes }) : null
        if (reason !== null) ends.set(key, { kind: 'skipped', reason })
        else if (there.length > 0) ends.set(key, { kind: 'failed', error: rivalText(place, there), side: 'source' })
        else return { key, place, sourceType, targetType }
      }
      return []
    })
  }

  /** A rival whose name is not taken does not arrive. */
  #rivals(db: number, key: Buffer): Buffer[] {
    return this.#rename.isNone ? [] : this.#rename.rivalsOf(key).filter((rival) => this.#filter.byName(db, rival) === null)
  }

  #passage({ from, to, db }: Batch): Passage {
    if (this.#route === null || !this.#route.isBetween(from, to)) this.#route = new PayloadRoute(from, to)
    const placeOf = (key: Buffer): Buffer => this.#rename.nameOf(key)
    const windows = this.pace === null ? null : new Windows(this.pace)
    return { from, to, db, route: this.#route, stopped: never, placeOf, windows }
  }
}

const rivalText = (place: Buffer, rivals: readonly Buffer[]): string =>
  `cannot be renamed: ${rivals.map((rival) => printable(rival)).join(' and ')} would be called ${printable(place)} as well`
