/**
 * One write under a policy that looks at both answers (`best-effort`, `both-required`, `last-write-wins`): keeps them until the policy
 * has its verdict, then answers the client, and journals the key where one side is not known to have done what the other did.
 */
import { wireError } from '../errors.ts'
import { otherSide, type Side, type WritePolicy } from '../routing/modes.ts'
import { type Outcome, type Verdict, verdict } from '../routing/policy.ts'
import { slotOf } from '../routing/slot.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import { type DbKey, ownKeys } from './command-keys.ts'
import type { Core } from './core.ts'
import { ReplySlot } from './reply-queue.ts'

export class PolicyWrite extends ReplySlot implements Waiter {
  readonly sums = true
  /** What the client is told where the authority says this; null: just that. */
  told: ((reply: Buffer) => Buffer) | null = null
  readonly #core: Core
  readonly #client: Client
  readonly #keys: readonly DbKey[]
  readonly #outcomes: Record<Side, Outcome> = { source: 'pending', target: 'pending' }
  readonly #pieces: Record<Side, Buffer[]> = { source: [], target: [] }
  readonly #sums: Record<Side, number> = { source: 0, target: 0 }
  /** Of the moment it was sent: a change of policy counts for what comes after. Where the follower has no say, the authority's alone. */
  readonly #policy: WritePolicy
  readonly #compared: boolean
  readonly #sentMs: number
  #answered = false
  /** The client was given the follower's word before the authority's was known. */
  #gaveFollowers = false

  /** `compared` false: that two sides answer differently says nothing, as with the receivers of a PUBLISH. */
  constructor(core: Core, client: Client, keys: readonly DbKey[], compared: boolean) {
    super()
    this.#core = core
    this.#client = client
    this.#keys = ownKeys(keys)
    this.#policy = policyFor(core, keys, compared)
    this.#compared = compared
    this.#sentMs = core.turn.nowMs
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces[lane.side].push(chunk.subarray(from, to))
    if (!ended) return
    const failed = lane.errors > 0
    this.#core.counters.sides[lane.side][failed ? 'error' : 'ok']++
    this.#core.latencies[lane.side].record((this.#core.turn.nowMs - this.#sentMs) * 1000)
    this.#sums[lane.side] = lane.sum
    this.#settle(lane.side, failed ? 'error' : 'ok')
  }

  lost(lane: ReplyLane): void {
    this.#core.counters.sides[lane.side].lost++
    this.#pieces[lane.side] = []
    this.#settle(lane.side, 'lost')
  }

  /** This side gets no half: it is down. */
  skip(side: Side): void {
    this.#settle(side, 'skipped')
  }

  #settle(side: Side, outcome: Outcome): void {
    this.#outcomes[side] = outcome
    if (!this.#answered) this.#tryAnswer()
    const { source, target } = this.#outcomes
    if (source !== 'pending' && target !== 'pending') this.#compare(source, target)
    else if (side === this.#core.traffic.authority && (outcome === 'lost' || outcome === 'skipped')) this.#leanOnFollower()
  }

  /** The follower's word will be taken: whoever comes to these keys before it has given it must not find the authority's. */
  #leanOnFollower(): void {
    const { traffic, journal } = this.#core
    if (!this.#takesItsWord || !followerKnows(this.#core, this.#keys)) return
    for (const { db, key } of this.#keys) journal.mark(db, key, traffic.follower, 'the authority was lost before its answer')
  }

  /** Both answered alike, but one of them may have met an expiry that nobody tells of now. */
  #noteUnseen(): void {
    const { unseenExpiries, journal, traffic } = this.#core
    if (unseenExpiries.size === 0) return
    for (const { db, key } of this.#keys)
      journal.mark(db, key, journal.truthOf(db, key) ?? traffic.authority, 'expiries could not be seen when it was written')
  }

  get #takesItsWord(): boolean {
    return this.#policy === 'best-effort' || this.#policy === 'last-write-wins'
  }

  #tryAnswer(): void {
    const { traffic, latencies, turn } = this.#core
    const decided = this.#tenable(verdict(this.#policy, traffic.authority, this.#outcomes))
    if (decided.kind === 'wait') return
    this.#answered = true
    this.#gaveFollowers = decided.kind === 'reply' && decided.side === traffic.follower
    latencies.client.record((turn.nowMs - this.#sentMs) * 1000)
    this.#reply(this.#answerFor(decided))
  }

  /** The follower's word is no answer where the authority is gone and something else has given the key's truth back to it meanwhile. */
  #tenable(decided: Verdict): Verdict {
    const { authority, follower } = this.#core.traffic
    if (decided.kind !== 'reply' || decided.side !== follower || !this.#takesItsWord) return decided
    const own = this.#outcomes[authority]
    if (own === 'pending' || own === 'ok' || followerKnows(this.#core, this.#keys)) return decided
    return own === 'error' ? { kind: 'reply', side: authority } : { kind: 'unknown' }
  }

  #answerFor(decided: Exclude<Verdict, { kind: 'wait' }>): Buffer {
    if (decided.kind === 'reply') {
      const reply = Buffer.concat(this.#pieces[decided.side])
      return this.told === null || decided.side !== this.#core.traffic.authority ? reply : this.told(reply)
    }
    if (decided.kind === 'unknown') {
      this.#core.counters.clientError('unknown-outcome')
      return wireError('unknown-outcome', 'no side answered before its connection was lost')
    }
    this.#core.counters.clientError('both-required')
    return wireError('both-required', `${decided.failed}: ${this.#errorOf(decided.failed)}`)
  }

  #reply(bytes: Buffer): void {
    this.#client.replies.deliver(this, bytes, 0, bytes.length, true)
  }

  #errorOf(side: Side): string {
    const outcome = this.#outcomes[side]
    if (outcome === 'lost') return 'connection lost, outcome unknown'
    if (outcome === 'skipped') return 'not reachable'
    return Buffer.concat(this.#pieces[side]).toString('utf8').slice(1).trim()
  }

  #compare(source: Outcome, target: Outcome): void {
    if (source === target && (source === 'ok' || source === 'error') && this.#sums.source === this.#sums.target) {
      this.#noteUnseen()
      return
    }
    const { traffic, journal, counters } = this.#core
    const authority = traffic.authority
    const takes = this.#outcomes[authority]
    const follows = this.#outcomes[otherSide(authority)]
    // Where only the follower took the write, a policy that takes its word has given it to the client: it then has the truth for these keys.
    const onlyFollower = follows === 'ok' && (takes === 'skipped' || takes === 'error' || takes === 'lost')
    // On what was sent behind it the authority's connection was lost as well: nobody was told anything that the follower does not have.
    const promised = this.#gaveFollowers && takes === 'lost'
    const keepsFollowers = onlyFollower && this.#takesItsWord && (promised || followerKnows(this.#core, this.#keys))
    for (const { db, key } of this.#keys) {
      journal.mark(db, key, keepsFollowers ? otherSide(authority) : authority, `source ${source}, target ${target}`)
    }
    if (this.#compared && traffic.covered && source === target) counters.divergence('policy')
  }
}

/**
 * Whether the follower's word may stand for these keys: it has all of them, as far as is known. Else what it would make of the write
 * rests on a value that is missing or out of date, and copying that back would undo what the authority has.
 */
export function followerKnows({ traffic, journal }: Core, keys: readonly DbKey[]): boolean {
  return keys.every(
    ({ db, key }) => slotOf(key, 0, key.length) < traffic.coveredSlots && journal.truthOf(db, key) !== traffic.authority,
  )
}

/** Whose answers may differ by their nature has the authority's: it is there that subscribers are. */
function policyFor(core: Core, keys: readonly DbKey[], compared: boolean): WritePolicy {
  const { wish, authority } = core.traffic
  const eitherWord = wish.writePolicy === 'best-effort' || wish.writePolicy === 'last-write-wins'
  if (!eitherWord || (compared && followerKnows(core, keys))) return wish.writePolicy
  return authority === 'source' ? 'old-authoritative' : 'new-authoritative'
}
