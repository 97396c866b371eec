/** Strings, hashes and sets: random members, and sums whose text each architecture makes differently. */
import type { Reply } from '../../resp/decode.ts'
import { encodeInteger, replies } from '../../resp/encode.ts'
import { isBefore, isSince, type Release, type ServerName } from '../server-name.ts'
import { areBuffers, type Beside, copy, type Effect, type EffectRule, none, one, several } from './effect.ts'
import { fieldLifetimes } from './newer-fields.ts'

/** Members in one SREM: below the million arguments that a server takes. */
const batchMembersMax = 100_000
/** HSETEX with KEEPTTL, which sets a field and leaves its lifetime alone. */
const hsetex: Release = { redis: '8.0', valkey: '9.0' }

const srem = Buffer.from('SREM')
const always = (): boolean => true

export const spop: EffectRule = {
  tells: always,
  effect(argv: readonly Buffer[], reply: Reply): Effect {
    if (reply === null) return none
    const members: readonly Reply[] = Array.isArray(reply) ? reply : [reply]
    if (!areBuffers(members)) return copy
    const commands: { words: Buffer[]; expected: Buffer }[] = []
    for (let at = 0; at < members.length; at += batchMembersMax) {
      const batch = members.slice(at, at + batchMembersMax)
      commands.push({ words: [srem, argv[1] as Buffer, ...batch], expected: encodeInteger(batch.length) })
    }
    return several(commands)
  },
}

export const incrByFloat: EffectRule = {
  tells: always,
  effect: (argv, reply) => (Buffer.isBuffer(reply) ? one(['SET', argv[1] as Buffer, reply, 'KEEPTTL'], replies.ok) : copy),
}

export const hincrByFloat: EffectRule = {
  tells: (_argv, follower) => isSince(follower, hsetex) || isBefore(follower, fieldLifetimes),
  effect: (argv, reply, { follower }: Beside) => hashSum(argv, reply, follower),
}

function hashSum(argv: readonly Buffer[], reply: Reply, follower: ServerName): Effect {
  const [, key, field] = argv as [Buffer, Buffer, Buffer]
  if (!Buffer.isBuffer(reply)) return copy
  if (isSince(follower, hsetex)) return one(['HSETEX', key, 'KEEPTTL', 'FIELDS', 1, field, reply], encodeInteger(1))
  // Whether the field was there before, the reply does not tell.
  return isBefore(follower, fieldLifetimes) ? one(['HSET', key, field, reply], null) : copy
}
