/** Values that are written with the use they had, and what becomes of them where the server does not run the script for it. */
import { isReplyError, type Reply, type ReplyError } from '../../resp/decode.ts'
import type { Lane } from '../../upstream/lane.ts'
import type { Payload } from '../key-transfer.ts'
import { saidOfUse, type Use } from './access-script.ts'

/** The script was refused, and with it everything that stands in one block with it: nothing was run. */
export class ScriptRefusal {
  readonly words: string

  constructor(words: string) {
    this.words = words
  }
}

export type UsedOutcome = string | null | ScriptRefusal

export const noneUsed: ReadonlySet<Payload> = new Set()

/** Those that are to be given their use by the script. */
export function usedOf(lane: Lane, payloads: readonly Payload[]): ReadonlySet<Payload> {
  let used: Set<Payload> | null = null
  for (const payload of payloads) {
    if (payload.typed === null || payload.access?.carry.runsScripts(lane) !== true) continue
    used ??= new Set()
    used.add(payload)
  }
  return used ?? noneUsed
}

export function useOf(used: ReadonlySet<Payload>, payload: Payload): Use | null {
  const { access, expiresAtMs } = payload
  return access !== undefined && used.has(payload) ? { access, expiresAtMs } : null
}

/**
 * Of the replies to one value: of the script alone, or of a block. `taken`: what it is called where something is in the place already, and the
 * value is moved there by the script, with one command behind it; null: it is put there ahead of the script, which is the last of its block.
 */
export function usedOutcome(lane: Lane, payload: Payload, said: readonly Reply[], taken: string | null): UsedOutcome {
  const last = said.at(-1) as Reply
  if (said.length === 1) return isReplyError(last) ? new ScriptRefusal(last.error) : given(lane, payload, last, taken)
  const behind = taken === null ? 1 : 2
  const queued = said.slice(0, -1)
  const refusal = otherErrors(queued, behind)
  if (refusal !== undefined) return refusal.error
  const unqueued = queued.at(-behind) as Reply
  if (!Array.isArray(last)) {
    if (isReplyError(unqueued)) return new ScriptRefusal(unqueued.error)
    return isReplyError(last) ? last.error : 'its block was not run'
  }
  const failure = otherErrors(last, behind)
  if (failure !== undefined) return failure.error
  const reply = last.at(-behind) as Reply
  if (!isReplyError(reply)) return given(lane, payload, reply, taken)
  if (taken === null) {
    payload.access?.carry.lost(lane, reply.error)
    return null
  }
  // Its end had passed already: there is nothing to be moved.
  return payload.expiresAtMs !== 0 && /no such key/i.test(reply.error) ? null : reply.error
}

const otherErrors = (replies: readonly Reply[], behind: number): ReplyError | undefined =>
  replies.filter((_, i) => i !== replies.length - behind).find(isReplyError)

function given(lane: Lane, { access }: Payload, reply: Reply, taken: string | null): string | null {
  const said = saidOfUse(reply)
  if (said === null) return taken
  if (isReplyError(said.reply)) access?.carry.lost(lane, said.reply.error)
  return null
}

/** What was refused with its script is written without: nothing of it has happened. Rejects as `again` does. */
export async function settled(
  lane: Lane,
  payloads: readonly Payload[],
  outcomes: readonly UsedOutcome[],
  again: (unrun: readonly Payload[]) => Promise<readonly UsedOutcome[]>,
): Promise<(string | null)[]> {
  const unrun = payloads.filter((_, i) => outcomes[i] instanceof ScriptRefusal)
  if (unrun.length === 0) return outcomes as (string | null)[]
  const written = await again(unrun)
  let next = 0
  return outcomes.map((outcome, i) => {
    if (!(outcome instanceof ScriptRefusal)) return outcome
    const refusal = written[next++] as string | null
    // Else it is the value that is refused.
    if (refusal === null) payloads[i]?.access?.carry.scriptRefused(lane, outcome.words)
    return refusal
  })
}
