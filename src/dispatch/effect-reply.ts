/** An effect on its way to the follower: alone, or as MULTI … EXEC where there is more than one command to it. */
import type { Effect } from '../commands/effects.ts'
import { encodeCommand, replies } from '../resp/encode.ts'
import { elementsOf } from '../resp/reply-elements.ts'
import type { Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Core } from './core.ts'

type Frames = Extract<Effect, { how: 'frames' }>

const multi = encodeCommand(['MULTI'])
const exec = encodeCommand(['EXEC'])
const minus = 45
const bulkError = 33

/** One uninterrupted write. `doubt` is told why where the follower does not answer as expected: then the two sides were not equal. */
export function sendEffect(core: Core, lane: Lane, context: number, effect: Frames, doubt: (reason: string) => void): void {
  const { frames, expected } = effect
  const single = frames.length === 1
  const bytes = single ? (frames[0] as Buffer) : Buffer.concat([multi, ...frames, exec])
  const count = single ? 1 : frames.length + 2
  lane.prepare(context)
  lane.send(bytes, 0, bytes.length, new EffectReply(core, expected, doubt), count)
  core.counters.sides[lane.side].commands += count
}

/** @param bytes the whole replies: to the one command, or to MULTI, each command and EXEC. */
function answersAsExpected(bytes: Buffer, expected: readonly (Buffer | null)[]): boolean {
  if (expected.length === 1) return fits(bytes, expected[0] as Buffer | null)
  const queued = replies.ok.length + expected.length * replies.queued.length
  const wanted = Buffer.concat([replies.ok, ...expected.map(() => replies.queued)])
  if (!bytes.subarray(0, queued).equals(wanted)) return false
  const results = elementsOf(bytes.subarray(queued))
  return results !== null && results.length === expected.length && results.every((result, i) => fits(result, expected[i] ?? null))
}

const fits = (reply: Buffer, expected: Buffer | null): boolean =>
  expected === null ? reply[0] !== minus && reply[0] !== bulkError : reply.equals(expected)

class EffectReply implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #expected: readonly (Buffer | null)[]
  readonly #doubt: (reason: string) => void
  #pieces: Buffer[] = []

  constructor(core: Core, expected: readonly (Buffer | null)[], doubt: (reason: string) => void) {
    this.#core = core
    this.#expected = expected
    this.#doubt = doubt
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    const side = this.#core.counters.sides[lane.side]
    side.error += lane.errors
    side.ok += Math.max(0, this.#replies - lane.errors)
    if (!answersAsExpected(Buffer.concat(this.#pieces), this.#expected))
      this.#doubt('the follower answered an effect differently')
  }

  lost(lane: ReplyLane, left: number): void {
    this.#core.counters.sides[lane.side].lost += left
    this.#doubt(`${lane.side} was lost before it answered`)
  }

  get #replies(): number {
    return this.#expected.length === 1 ? 1 : this.#expected.length + 2
  }
}
