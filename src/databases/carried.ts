/** What becomes of one command on its way to a target whose databases are others than the source's. Values, made by pure functions. */

import { encodeCommand, encodeError } from '../resp/encode.ts'

/** Gets a whole reply, also an error, but never one of a server that was lost. */
export type ReplyEdit = (reply: Buffer) => Buffer

/** Asks the server for one thing after the other and makes one reply of it; nothing else is sent meanwhile. */
export type Steps = Generator<Buffer, Buffer, Buffer>

/** Of one argument: what it becomes, or what is put before it. */
export type ArgumentEdit = { readonly at: number; readonly bytes: Buffer } | { readonly at: number; readonly prefix: Buffer }

export type Carried =
  /** With these arguments changed, in ascending order. */
  | { readonly how: 'edited'; readonly edits: readonly ArgumentEdit[]; readonly reply: ReplyEdit | null }
  /** Another command in its place. */
  | { readonly how: 'instead'; readonly frame: Buffer; readonly reply: ReplyEdit | null }
  /** A block that holds it is not run. */
  | { readonly how: 'refused'; readonly error: string }
  /** No reply but one push per name, or an error; `names` as they were asked for, null = nobody knows how many. */
  | { readonly how: 'subscribed'; readonly frame: Buffer; readonly names: readonly string[] | null }
  /** First this, and nothing is sent before it has succeeded; then the command is looked at again. */
  | { readonly how: 'first'; readonly frame: Buffer }
  | { readonly how: 'steps'; readonly steps: () => Steps }

export const edited = (edits: readonly ArgumentEdit[], reply: ReplyEdit | null = null): Carried => ({
  how: 'edited',
  edits,
  reply,
})
export const instead = (frame: Buffer, reply: ReplyEdit | null = null): Carried => ({ how: 'instead', frame, reply })
export const steps = (make: () => Steps): Carried => ({ how: 'steps', steps: make })

/** As it came, and its reply too. */
export const asItIs: Carried = edited([])

/** Refused by every server, and within a block when its turn comes. */
const failure = encodeCommand(['SELECT', 999_999_999])

/** An error of this command alone: a block that holds it is run all the same. */
export function failing(error: string): Carried {
  const reply = encodeError(error)
  return instead(failure, () => reply)
}

export const outOfRange = failing('ERR DB index is out of range')
export const unsupported = (what: string): Carried => ({ how: 'refused', error: `ERR FERRY unsupported: ${what}` })
