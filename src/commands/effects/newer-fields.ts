/** HGETDEL, HSETEX and HGETEX for a follower that is too old for them. */
import { encodeInteger } from '../../resp/encode.ts'
import { isBefore, isSince, type Release, type ServerName } from '../server-name.ts'
import { copy, type Effect, type EffectRule, none, one, several, wordAt } from './effect.ts'

/** Fields can have lifetimes (HPEXPIREAT), and HSET takes them away. */
export const fieldLifetimes: Release = { redis: '7.4', valkey: '9.0' }

interface FieldOptions {
  /** `exat`, `pxat`, `persist`, `keepttl`, or '' for none. */
  readonly lifetime: string
  /** In the unit of `lifetime`. */
  readonly instant: Buffer | null
  /** What stands behind FIELDS and its count. */
  readonly fields: readonly Buffer[]
}

/** null where they are not understood, or an expiry is relative. */
function optionsIn(argv: readonly Buffer[], perField: number): FieldOptions | null {
  let lifetime = ''
  let instant: Buffer | null = null
  for (let at = 2; at < argv.length; at++) {
    const word = wordAt(argv, at)
    if (word === 'fields') {
      const fields = argv.slice(at + 2)
      return fields.length > 0 && fields.length === Number(argv[at + 1]) * perField ? { lifetime, instant, fields } : null
    }
    if (word === 'persist' || word === 'keepttl') lifetime = word
    else if (word === 'exat' || word === 'pxat') {
      lifetime = word
      instant = argv[++at] ?? null
    } else if (!['nx', 'xx', 'fnx', 'fxx'].includes(word)) return null
  }
  return null
}

export const hgetdel: EffectRule = {
  tells: (argv) => optionsIn(argv, 1) !== null,
  effect(argv, reply) {
    const options = optionsIn(argv, 1)
    if (options === null || !Array.isArray(reply)) return copy
    const gone = reply.filter((value) => value !== null).length
    return gone === 0 ? none : one(['HDEL', argv[1] as Buffer, ...options.fields], encodeInteger(gone))
  },
}

/** The command that gives fields the lifetime of `options`; null: none is needed. */
function lifetimeCommand(key: Buffer, { lifetime, instant }: FieldOptions, fields: readonly Buffer[]) {
  const behind = ['FIELDS', fields.length, ...fields]
  if (lifetime === 'persist') return { words: ['HPERSIST', key, ...behind], expected: null }
  if (instant === null) return null
  return { words: [lifetime === 'exat' ? 'HEXPIREAT' : 'HPEXPIREAT', key, instant, ...behind], expected: null }
}

const hasLifetimes = (follower: ServerName): boolean | null =>
  isSince(follower, fieldLifetimes) ? true : isBefore(follower, fieldLifetimes) ? false : null

export const hsetex: EffectRule = {
  tells: (argv, follower) => carries(optionsIn(argv, 2), follower),
  effect(argv, reply, { follower }): Effect {
    const options = optionsIn(argv, 2)
    if (options === null || !carries(options, follower)) return copy
    if (reply === 0) return none
    if (reply !== 1) return copy
    const key = argv[1] as Buffer
    const names = options.fields.filter((_, i) => i % 2 === 0)
    const lifetime = lifetimeCommand(key, options, names)
    // How many of the fields are new, the reply does not tell.
    const setting = { words: ['HSET', key, ...options.fields], expected: null }
    return several(lifetime === null ? [setting] : [setting, lifetime])
  },
}

/** HSET takes a lifetime away, and where there are none it cannot be given. */
function carries(options: FieldOptions | null, follower: ServerName): boolean {
  if (options === null) return false
  const known = hasLifetimes(follower)
  if (known === null) return false
  return known ? options.lifetime !== 'keepttl' : options.instant === null
}

export const hgetex: EffectRule = {
  tells: (argv, follower) => carriesRead(optionsIn(argv, 1), follower),
  effect(argv, reply, { follower }): Effect {
    const options = optionsIn(argv, 1)
    if (options === null || !carriesRead(options, follower) || !Array.isArray(reply)) return copy
    const there = options.fields.filter((_, i) => reply[i] !== null && reply[i] !== undefined)
    if (there.length === 0 || hasLifetimes(follower) === false) return none
    const lifetime = lifetimeCommand(argv[1] as Buffer, options, there)
    return lifetime === null ? none : several([lifetime])
  },
}

/** Where fields have no lifetimes there is none to be taken away. */
function carriesRead(options: FieldOptions | null, follower: ServerName): boolean {
  if (options === null) return false
  return options.instant === null || hasLifetimes(follower) === true
}
