/**
 * A long value on its way to the other side while its key is written to. `approach` brings it over without holding the key up; `finish`, under
 * a hold and with everything sent before answered, brings what was written to meanwhile, and proves that nothing else has changed.
 */
import { isReplyError, type Reply } from '../../resp/decode.ts'
import type { ReplyCursor } from '../../resp/reply-cursor.ts'
import type { Passage } from '../typed/passage.ts'
import type { StagedValue, TypedValue } from '../typed/typed-value.ts'
import type { KeyNotes } from './write-notes.ts'

export interface Moving {
  readonly staged: StagedValue
  /** Throws Spoiled or TransferLost. */
  approach(): Promise<void>
  /** Null: the key is not there any more. Throws like `approach`. */
  finish(): Promise<TypedValue | null>
}

/** What a moving copy works with. */
export interface Errand {
  readonly passage: Passage
  readonly key: Buffer
  readonly notes: KeyNotes
  /** Resolves once everything that was sent to the reading side before is answered. Throws Spoiled where something was lost instead. */
  drained(): Promise<void>
  /** Runs `work` while no write of the key is under way. Throws Spoiled where the key could not be held. */
  briefly<T>(work: () => Promise<T>): Promise<T>
}

/** What was copied so far is of no use. */
export class Spoiled extends Error {}

/** Throws what stands against going on. */
export function mustBeSound(notes: KeyNotes, staged: { error: string | null; lost: Error | null }): void {
  if (notes.spoiled !== null) throw new Spoiled(notes.spoiled)
  if (staged.lost !== null) throw staged.lost
  if (staged.error !== null) throw new Refused(staged.error)
}

/** The writing side's words. */
export class Refused extends Error {}

/** The reading side's words. */
export class Unread extends Error {}

/** The next answer of the reading side. Throws Unread where it is an error. */
export function answerOf(replies: ReplyCursor): Exclude<Reply, { error: string }> {
  const reply = replies.reply()
  if (isReplyError(reply)) throw new Unread(reply.error)
  return reply
}
