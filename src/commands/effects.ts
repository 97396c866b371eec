/**
 * What a write did, told from its reply: the commands that make the other side the same. As Redis tells its replicas (SPOP as SREM,
 * XADD * with its id, INCRBYFLOAT as SET KEEPTTL). Where the reply leaves something open, a small read right behind the command may tell
 * it: its companion. Only commands whose replies say it all are here; the others go as they are, or are copied. A form that only one of the
 * two servers knows goes this way as well.
 */
import { isReplyError, type Reply } from '../resp/decode.ts'
import type { ArgView } from './arg-view.ts'
import { xautoclaim, xclaim } from './effects/claims.ts'
import { madeConsumer } from './effects/consumers.ts'
import { type Beside, copy, type Effect, type EffectRule, none } from './effects/effect.ts'
import { xreadgroup } from './effects/group-reads.ts'
import { xackdel, xdelex } from './effects/newer-deletions.ts'
import { hgetdel, hgetex, hsetex } from './effects/newer-fields.ts'
import { conditionalDelete, msetex, set } from './effects/newer-strings.ts'
import { xadd, xgroup, xtrim } from './effects/streams.ts'
import { hincrByFloat, incrByFloat, spop } from './effects/values.ts'
import { isNewTo } from './newer-forms.ts'
import type { ServerName } from './server-name.ts'

export type { Effect } from './effects/effect.ts'

const rules: ReadonlyMap<string, EffectRule> = new Map([
  ['spop', spop],
  ['incrbyfloat', incrByFloat],
  ['hincrbyfloat', hincrByFloat],
  ['xadd', xadd],
  ['xtrim', xtrim],
  ['xgroup|create', xgroup],
  ['xgroup|setid', xgroup],
  ['xclaim', xclaim],
  ['xautoclaim', xautoclaim],
  ['xreadgroup', xreadgroup],
])

/** These go as they are, but where a side is too old for them. */
const nearest: ReadonlyMap<string, EffectRule> = new Map([
  ['set', set],
  ['msetex', msetex],
  ['delex', conditionalDelete],
  ['delifeq', conditionalDelete],
  ['hgetdel', hgetdel],
  ['hsetex', hsetex],
  ['hgetex', hgetex],
  ['xdelex', xdelex],
  ['xackdel', xackdel],
])

/** Whether some form of the command goes to the follower as the effect that its reply tells. */
export const hasEffect = (name: string): boolean => rules.has(name)

const ruleOf = (name: string): EffectRule | undefined => rules.get(name) ?? nearest.get(name)

/** Whether a command that is plain by its arguments is plain between these two servers: their versions may have other habits. */
export function plainBetween(name: string, args: ArgView, authority: ServerName, follower: ServerName): boolean {
  if (name !== 'xreadgroup') return !isNewTo(name, args, authority, follower)
  const made = madeConsumer(authority)
  return made !== null && made === madeConsumer(follower)
}

/** Whether the reply of this command, with these arguments, will tell its effect without a companion. */
export function tellsEffect(name: string, argv: readonly Buffer[], follower: ServerName): boolean {
  return ruleOf(name)?.tells(argv, follower) ?? false
}

/**
 * A read that has to run right behind the command, with nothing between them, for the two replies to tell its effect; null where none
 * is needed or none would do.
 */
export function companionOf(name: string, argv: readonly Buffer[]): Buffer | null {
  return ruleOf(name)?.companion?.(argv) ?? null
}

/**
 * Without `beside` a claim that claimed nothing is a copy: whether it made its consumer depends on the authority's version.
 * @param beside the authority, where it is known, and the companion's reply, where one was sent.
 */
export function effectOf(
  name: string,
  argv: readonly Buffer[],
  reply: Reply,
  follower: ServerName,
  beside: Omit<Beside, 'follower'> = { authority: null, companion: undefined },
): Effect {
  const rule = ruleOf(name)
  if (rule === undefined) return copy
  return isReplyError(reply) ? none : rule.effect(argv, reply, { follower, ...beside })
}
