/** One batch on its way from one server to the other, as the readers of all types share it. */
import { CommandWriter } from '../../resp/command-writer.ts'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../../upstream/lane.ts'
import { exchange } from '../key-transfer.ts'
import type { PayloadRoute } from './payload-route.ts'
import type { TypedValue } from './typed-value.ts'
import type { Windows } from './windows.ts'

/** What a window of a long value takes, as far as its mean element tells. */
const windowBytes = 262_144
const windowElementsMax = 1_000
/** Where the server does not tell a size. */
export const unsizedElements = 100

/** The two sides of one copy, and when to stop. */
export interface Passage {
  readonly from: Lane
  readonly to: Lane
  readonly db: number
  readonly route: PayloadRoute
  /** Asked between windows: once it is true nobody wants the rest. */
  readonly stopped: () => boolean
  /** What a key is called on the writing side. */
  readonly placeOf: (key: Buffer) => Buffer
  /** Null: nothing is waited for between windows. */
  readonly windows: Windows | null
}

/** A key of the batch, and what was found out about it so far. */
export interface Found {
  readonly key: Buffer
  readonly type: string
  readonly expiresAtMs: number
  typed: TypedValue | null
  error: string | null
}

/** Elements per window. */
export function stepFor(sizeBytes: number, count: number): number {
  if (sizeBytes <= 0 || count === 0) return unsizedElements
  return Math.max(1, Math.min(windowElementsMax, Math.floor(windowBytes / (sizeBytes / count))))
}

export async function ask({ from, db }: Passage, write: (out: CommandWriter) => void, expectedBytes = 256): Promise<ReplyCursor> {
  const out = new CommandWriter(expectedBytes)
  write(out)
  return new ReplyCursor(await exchange(from, contextOf(2, db), out.commands, (lane) => out.writeTo(lane)))
}

/** An error of the server is the key's own. */
export async function readWhole(found: Found, reading: Promise<TypedValue | string | null>): Promise<void> {
  const value = await reading
  if (typeof value === 'string') found.error = value
  else found.typed = value
}
