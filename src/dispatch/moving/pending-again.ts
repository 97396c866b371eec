/**
 * What is pending and has changed, of ids that were copied before: it is asked for again, and claimed or acknowledged on the copy. One whose
 * entry is there, is there on the copy too, and can be claimed. One whose entry is gone changed for the last time before it went. So where
 * the copy has removed it as well it has the last state already; and where it has not, it can still be claimed.
 */
import { CommandWriter } from '../../resp/command-writer.ts'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf } from '../../upstream/lane.ts'
import { exchange } from '../key-transfer.ts'
import { ask } from '../typed/passage.ts'
import { pendingWindow, type StreamErrand } from '../typed/stream-read.ts'
import { isOlder, Strand } from '../typed/stream-stretch.ts'
import { acknowledge, claim, entriesOf, type Pending, pendingOf } from '../typed/streams.ts'
import { answerOf } from './moving.ts'
import type { NotedConsumer, NotedPending } from './stream-notes.ts'

const idsPerQuestion = 500

export class PendingAgain {
  /** Asked for so far. */
  rows = 0
  readonly #stream: StreamErrand
  readonly #first: string
  readonly #reached: string
  readonly #sound: () => Promise<void>

  /** The copy has all up to `reached`, and nothing that is older than `first`. `sound` resolves when it has answered, and throws. */
  constructor(stream: StreamErrand, first: string, reached: string, sound: () => Promise<void>) {
    this.#stream = stream
    this.#first = first
    this.#reached = reached
    this.#sound = sound
  }

  /** What was delivered, behind one id and up to another. */
  async delivered(group: Buffer, after: string, upTo: string): Promise<void> {
    if (isOlder(after, upTo)) await this.#strand(group, new Strand(false, `(${after}`, upTo), [])
  }

  async noted({ group, ids, consumers }: NotedPending): Promise<void> {
    for (const consumer of consumers) await this.#ofConsumer(group, consumer)
    const copied = [...ids].filter((id) => !isOlder(this.#reached, id))
    for (let at = 0; at < copied.length; at += idsPerQuestion) await this.#named(group, copied.slice(at, at + idsPerQuestion))
  }

  async #ofConsumer(group: Buffer, { consumer, after, removed }: NotedConsumer): Promise<void> {
    if (removed)
      this.#stream.staged.send((out, name) => {
        // Some servers refuse to remove one that is not there.
        out.command('XGROUP', 'CREATECONSUMER', name, group, consumer)
        out.command('XGROUP', 'DELCONSUMER', name, group, consumer)
      }, 0)
    if (isOlder(after, this.#reached)) await this.#strand(group, new Strand(false, `(${after}`, this.#reached), [consumer])
  }

  async #strand(group: Buffer, strand: Strand<Pending>, consumer: readonly Buffer[]): Promise<void> {
    const { passage, key } = this.#stream
    while (strand.wants) {
      const { start, end } = strand
      const replies = await ask(passage, (out) => {
        out.command('TIME').command('XPENDING', key, group, start, end, pendingWindow, ...consumer)
      })
      const time = replies.reply()
      strand.add(pendingOf(answerOf(replies), time), pendingWindow)
      await this.#claim(group, strand.takeTo(null))
    }
  }

  async #named(group: Buffer, ids: readonly string[]): Promise<void> {
    const { passage, key, staged } = this.#stream
    const replies = await ask(passage, (out) => {
      out.command('TIME')
      for (const id of ids) out.command('XPENDING', key, group, id, id, 1)
    })
    const time = replies.reply()
    const found = ids.map((id) => ({ id, own: pendingOf(answerOf(replies), time)[0] }))
    const done = found.filter(({ own }) => own === undefined).map(({ id }) => id)
    await this.#sound()
    if (done.length > 0) staged.send((out, name) => acknowledge(out, name, group, done), 0)
    this.rows += done.length
    await this.#claim(
      group,
      found.flatMap(({ own }) => own ?? []),
    )
  }

  async #claim(group: Buffer, rows: readonly Pending[]): Promise<void> {
    const { staged, step } = this.#stream
    this.rows += rows.length
    for (let at = 0; at < rows.length; at += step) {
      const some = rows.slice(at, at + step)
      const isGone = await this.#goneOf(some.map(({ id }) => id))
      await this.#sound()
      const own = some.filter(({ id }) => !isGone.has(id))
      if (own.length > 0) staged.send((out, name) => claim(out, name, group, own), 0)
    }
  }

  /** Those whose entries are on neither side. */
  async #goneOf(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { passage, key, staged } = this.#stream
    const askAll = (out: CommandWriter, name: Buffer, all: readonly string[]): void => {
      for (const id of all) out.command('XRANGE', name, id, id)
    }
    const missing = (replies: ReplyCursor, all: readonly string[]): string[] =>
      all.filter(() => entriesOf(answerOf(replies)).length === 0)
    const deleted = missing(await ask(passage, (out) => askAll(out, key, ids)), ids)
    const trimmed = deleted.filter((id) => isOlder(id, this.#first))
    const others = deleted.slice(trimmed.length)
    if (others.length === 0) return new Set(trimmed)
    const out = new CommandWriter()
    askAll(out, staged.name, others)
    const bytes = await exchange(passage.to, contextOf(2, passage.db), out.commands, (lane) => out.writeTo(lane))
    return new Set([...trimmed, ...missing(new ReplyCursor(bytes), others)])
  }
}
