/**
 * `version-compare`: both sides are asked for the value and its version, and the client gets the newer one. What is older is looked at a
 * second time and then copied over, from the side that has the newer version.
 */
import type { CommandSpec } from '../commands/spec.ts'
import { versionedValueBytesMax } from '../limits.ts'
import { replyEnd } from '../resp/reply-elements.ts'
import { otherSide, type Side, sides } from '../routing/modes.ts'
import { compareVersions, type VersionRule, versionIn, versionQuery } from '../routing/versions.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Looks, SecondLooks } from './second-looks.ts'
import { covered, SidedRead } from './sided-read.ts'

export class VersionRead extends SidedRead {
  readonly #rule: VersionRule
  readonly #looks: SecondLooks
  readonly #authority: Side
  /** Asks for the version right behind the read, on the same connection; null where the value itself is the reply. */
  readonly #query: Buffer | null

  /** `keys`: exactly one, that `rule` is for. */
  constructor(
    core: Core,
    client: Client,
    spec: CommandSpec,
    keys: readonly DbKey[],
    frame: Buffer,
    rule: VersionRule,
    looks: SecondLooks,
  ) {
    super(core, client, spec, keys, frame)
    this.#rule = rule
    this.#looks = looks
    this.#authority = core.traffic.authority
    const inReply = spec.name === 'get' && (rule.kind === 'number' || rule.kind === 'json-path')
    this.#query = inReply ? null : versionQuery(rule, (keys[0] as DbKey).key)
  }

  start(): void {
    this.client.replies.push(this)
    for (const side of sides) this.ask(side, this.#query)
  }

  protected override answered(): void {
    this.#settle()
  }

  protected override unanswered(): void {
    this.#settle()
  }

  /** Once nothing more is to come. */
  #settle(): void {
    const { source, target } = this.answers
    if (source.state === 'asked' || target.state === 'asked') return
    if (source.state === 'lost' || target.state === 'lost') {
      this.#serveWhatIsLeft()
      return
    }
    const newer = newerSide(this.#rule, this.#query !== null, this.whole('source'), this.whole('target'))
    this.#serveFrom(newer ?? this.#authority)
    if (newer !== null) this.#healLater()
  }

  #serveWhatIsLeft(): void {
    const authorityLost = this.answers[this.#authority].state === 'lost'
    const left = authorityLost ? otherSide(this.#authority) : this.#authority
    // What the follower says about a key that was not copied yet is not worth more than an error.
    const worthless = authorityLost && !covered(this.core, this.keys)
    if (this.answers[left].state === 'lost' || worthless) this.refuse(this.pair.lane(this.#authority))
    else this.#serveFrom(left)
  }

  #serveFrom(side: Side): void {
    const answer = this.whole(side)
    this.serve(side, this.#query === null ? answer : answer.subarray(0, replyEnd(answer, 0)))
  }

  #healLater(): void {
    const { pair, context, spec, keys, frame } = this
    const rule = this.#rule
    const follower = otherSide(this.#authority)
    const question = this.#query === null ? frame : Buffer.concat([frame, this.#query])
    const behind = this.#query !== null
    const replies = behind ? 2 : 1
    this.#looks.later({ pair, context, spec, keys, frame: question, replies }, versionedValueBytesMax, (looks: Looks) => {
      const { source, target } = looks
      if (source.bytes === null || target.bytes === null) return null
      const from = newerSide(rule, behind, source.bytes, target.bytes)
      // What the follower holds of a key that the copy has not passed yet is about to be overwritten by it.
      if (from === null || (from === follower && !covered(this.core, keys))) return null
      return { from, keys }
    })
  }
}

/** The side with the newer version; null where they are the same, or one of the two cannot be told. */
function newerSide(rule: VersionRule, behind: boolean, source: Buffer, target: Buffer): Side | null {
  const [left, right] = [source, target].map((answer) => versionIn(rule, behind ? answer.subarray(replyEnd(answer, 0)) : answer))
  if (left == null || right == null) return null
  const newer = compareVersions(left, right)
  return newer === 0 ? null : newer > 0 ? 'source' : 'target'
}
