/** The two connections of a verification and what both servers can do: what every comparison is given. */
import { isReplyError, type Reply } from '../resp/decode.ts'
import type { VerifyPipe } from './verify-pipe.ts'
import type { Argument } from './verify-requests.ts'

/** PEXPIRETIME gives a moment, which does not depend on when it is asked; PTTL is for servers before 7.0. */
export type ExpiryCommand = 'PEXPIRETIME' | 'PTTL'

export interface Pair {
  readonly source: VerifyPipe
  readonly target: VerifyPipe
  readonly ttlToleranceMs: number
  readonly expiry: ExpiryCommand
  /** Whether the side knows HPEXPIRETIME, and so whether its hash fields can expire at all. */
  readonly fieldTtls: { readonly source: boolean; readonly target: boolean }
}

/** A command was refused: the key became another type meanwhile, or the user may not run it. Makes the key count as different. */
export class Refused extends Error {}

/** What one window of a chunked comparison may hold on each side, as far as the mean element size tells. */
const windowBytes = 1 << 20
const windowElementsMax = 1_000
/** Where MEMORY USAGE is not to be had. */
const unsizedElements = 100

export function windowElements(sizeBytes: number, elements: number): number {
  if (sizeBytes === 0 || elements === 0) return unsizedElements
  return Math.max(1, Math.min(windowElementsMax, Math.floor(windowBytes / (sizeBytes / elements))))
}

export async function both(pair: Pair, args: readonly Argument[]): Promise<[Reply, Reply]> {
  const [source, target] = await Promise.all([pair.source.call(args), pair.target.call(args)])
  return [answered(source), answered(target)]
}

export async function bothNumbers(pair: Pair, args: readonly Argument[]): Promise<[number, number]> {
  const [source, target] = await both(pair, args)
  return [Number(source), Number(target)]
}

export async function bothLists(pair: Pair, args: readonly Argument[]): Promise<[Reply[], Reply[]]> {
  const [source, target] = await both(pair, args)
  return [asList(source), asList(target)]
}

export async function list(pipe: VerifyPipe, args: readonly Argument[]): Promise<Reply[]> {
  return asList(answered(await pipe.call(args)))
}

export function answered(reply: Reply): Reply {
  if (isReplyError(reply)) throw new Refused(reply.error)
  return reply
}

export function asList(reply: Reply | undefined): Reply[] {
  if (!Array.isArray(reply)) throw new Refused('expected a list')
  return reply
}

export function sameReply(left: Reply | undefined, right: Reply | undefined): boolean {
  if (Buffer.isBuffer(left)) return Buffer.isBuffer(right) && left.equals(right)
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((item, index) => sameReply(item, right[index]))
  }
  return left === right
}

/** The collection scans (HSCAN, SSCAN), one window after the other. */
export async function* scanElements(
  pipe: VerifyPipe,
  verb: 'HSCAN' | 'SSCAN',
  key: Buffer,
  count: number,
): AsyncGenerator<Reply[]> {
  let cursor = '0'
  do {
    const reply = await list(pipe, [verb, key, cursor, 'COUNT', count])
    cursor = String(reply[0])
    const elements = asList(reply[1])
    if (elements.length > 0) yield elements
  } while (cursor !== '0')
}
