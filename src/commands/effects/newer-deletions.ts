/** XDELEX and XACKDEL for a follower that is too old for them: which entries went, the reply tells id by id. */
import type { Reply } from '../../resp/decode.ts'
import { encodeInteger } from '../../resp/encode.ts'
import { copy, type Effect, type EffectRule, none, several, wordAt } from './effect.ts'

/** The ids behind IDS; null where the options are not understood. DELREF acts on groups that nobody names. */
function idsIn(argv: readonly Buffer[], from: number): readonly Buffer[] | null {
  const at = wordAt(argv, from) === 'keepref' || wordAt(argv, from) === 'acked' ? from + 1 : from
  const ids = argv.slice(at + 2)
  return wordAt(argv, at) === 'ids' && ids.length > 0 && ids.length === Number(argv[at + 1]) ? ids : null
}

/** Per id: 1 deleted, 2 kept for other groups that refer to it, -1 not there. */
function chosen(ids: readonly Buffer[], reply: readonly Reply[], ...results: readonly number[]): Buffer[] {
  return ids.filter((_, i) => results.includes(reply[i] as number))
}

/** Some of the ids may be named twice, or deleted already: how many count, only those in the pending list tell. */
const deletion = (key: Buffer, ids: readonly Buffer[]) => ({ words: ['XDEL', key, ...ids], expected: null })

function effectOn(argv: readonly Buffer[], reply: Reply, from: number, group: Buffer | null): Effect {
  const ids = idsIn(argv, from)
  if (ids === null || !Array.isArray(reply) || reply.length !== ids.length) return copy
  const key = argv[1] as Buffer
  const acknowledged = group === null ? [] : chosen(ids, reply, 1, 2)
  const deleted = chosen(ids, reply, 1)
  const commands: Parameters<typeof several>[0][number][] = []
  if (group !== null && acknowledged.length > 0)
    commands.push({ words: ['XACK', key, group, ...acknowledged], expected: encodeInteger(acknowledged.length) })
  if (deleted.length > 0) commands.push(deletion(key, deleted))
  return commands.length === 0 ? none : several(commands)
}

export const xdelex: EffectRule = {
  tells: (argv) => idsIn(argv, 2) !== null,
  effect: (argv, reply) => effectOn(argv, reply, 2, null),
}

export const xackdel: EffectRule = {
  tells: (argv) => idsIn(argv, 3) !== null,
  effect: (argv, reply) => effectOn(argv, reply, 3, argv[2] as Buffer),
}
