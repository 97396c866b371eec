/**
 * What to do with a command of Kind.WriteByArguments, decided by its arguments alone. Whatever is not fully understood is `copy`: the
 * authority decides, and the keys are copied. Frames need PXAT, so Redis 6.2 or newer, on both sides.
 */
import type { ArgView } from './arg-view.ts'
import { bitfield, copyKey, geoRadius, move, pfcount, sort, storeOfScores } from './argument-rules.ts'
import { allCommands } from './catalogue.ts'
import { expire, getex, hashFieldExpire, hgetex, hsetex, increx, msetex, restore, set, setex } from './expiry-rules.ts'
import { copy, plain, type Rewritten } from './rewritten.ts'
import type { CommandSpec } from './spec.ts'
import { xadd, xgroup, xreadgroup, xtrim } from './stream-rules.ts'

export type { Rewritten } from './rewritten.ts'

type Rule = (args: ArgView, nowMs: number) => Rewritten

const secondMs = 1000

const rulesByName: Readonly<Record<string, Rule>> = {
  set,
  setex: (args, nowMs) => setex(args, nowMs, secondMs),
  psetex: (args, nowMs) => setex(args, nowMs, 1),
  expire: (args, nowMs) => expire(args, nowMs, secondMs),
  pexpire: (args, nowMs) => expire(args, nowMs, 1),
  getex,
  increx,
  msetex,
  restore,
  hexpire: (args, nowMs) => hashFieldExpire(args, nowMs, secondMs),
  hpexpire: (args, nowMs) => hashFieldExpire(args, nowMs, 1),
  hsetex,
  hgetex,
  xadd,
  xtrim,
  'xgroup|create': xgroup,
  'xgroup|setid': xgroup,
  xreadgroup,
  sort,
  georadius: geoRadius,
  georadiusbymember: geoRadius,
  bitfield,
  copy: copyKey,
  move,
  pfcount,
  zunionstore: storeOfScores,
  zinterstore: storeOfScores,
  zincrby: () => plain,
  zpopmin: () => plain,
  zpopmax: () => plain,
  delex: () => plain,
  delifeq: () => plain,
  hgetdel: () => plain,
  xdelex: () => plain,
  xackdel: () => plain,
}

const rulesById: readonly (Rule | undefined)[] = allCommands.map((spec) => rulesByName[spec.name])

/** @param nowMs the authority's clock, as well as it is known: milliseconds since 1970. */
export function rewrite(spec: CommandSpec, args: ArgView, nowMs: number): Rewritten {
  const rule = rulesById[spec.id]
  return rule === undefined ? copy : rule(args, nowMs)
}
