/** What a type made of elements needs to be read in windows and written again. One value of this interface per type; all of them are pure. */
import type { CommandWriter } from '../../resp/command-writer.ts'
import type { ReplyCursor } from '../../resp/reply-cursor.ts'

/** Some elements of a value in the order in which they are written: of a hash field and value, of a sorted set score and member. */
export interface Elements {
  readonly flat: readonly Buffer[]
  /** Of a hash whose fields may expire: when, Unix time in ms, -1 = never. One per field; null where none of them does. */
  readonly ends: readonly number[] | null
}

export interface Window {
  readonly flat: readonly Buffer[]
  /** Where to go on; null: that was the last one. */
  readonly next: string | null
}

export interface Shape {
  /** As TYPE tells it. */
  readonly type: string
  /** The command that tells how many elements there are. */
  readonly countVerb: Buffer
  /** Asks for everything. */
  askAll(out: CommandWriter, key: Buffer): void
  readAll(reply: ReplyCursor): readonly Buffer[]
  /** Asks for about `count` elements. Begins with cursor '0'. */
  askWindow(out: CommandWriter, key: Buffer, cursor: string, count: number): void
  readWindow(reply: ReplyCursor, cursor: string, count: number): Window
  /** Adds the elements to what the key has. There must be some. */
  write(out: CommandWriter, key: Buffer, elements: Elements): void
}

/** Ranks go on by what was asked for, and end where less came. */
export function nextRank(cursor: string, count: number, got: number): string | null {
  return got < count ? null : String(Number(cursor) + count)
}

/** Cursors are the server's own, as text. */
export const nextCursor = (said: Buffer | null): string | null => {
  const cursor = String(said ?? '0')
  return cursor === '0' ? null : cursor
}

/** One command with all of the elements behind the key. */
export function writeFlat(out: CommandWriter, verb: Buffer, key: Buffer, flat: readonly Buffer[]): void {
  out
    .begin(flat.length + 2)
    .add(verb)
    .add(key)
  for (const element of flat) out.add(element)
}
