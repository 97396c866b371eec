/** What a write changes of the one key that it names, as far as that can be told from its arguments. Pure. */
import { type ArgView, argBytes, argInteger, argIs } from '../../commands/arg-view.ts'
import { type StreamTouch, streamRules } from './stream-touch.ts'

/** Null: it cannot be told, so it may be anything. */
export type Touch =
  /** Nothing of the value: an expiry at most. */
  | { readonly kind: 'nothing' }
  /** Fields or members. */
  | { readonly kind: 'elements'; readonly names: readonly Buffer[] }
  /** Bytes of a string, which may become longer. */
  | { readonly kind: 'bytes'; readonly from: number; readonly below: number }
  /** Of a list. */
  | { readonly kind: 'push' | 'pop'; readonly end: 'left' | 'right'; readonly count: number }
  | StreamTouch
  | null

type Rule = (args: ArgView) => Touch

const nothing: Rule = () => ({ kind: 'nothing' })

/** Every `step`th argument from `first` on. */
function names(args: ArgView, first: number, step: number): Touch {
  const found: Buffer[] = []
  for (let i = first; i < args.argc; i += step) found.push(Buffer.from(argBytes(args, i)))
  return { kind: 'elements', names: found }
}

const from =
  (first: number, step = 1): Rule =>
  (args) =>
    names(args, first, step)

const one: Rule = (args) => ({ kind: 'elements', names: [Buffer.from(argBytes(args, 2))] })
const last: Rule = (args) => ({ kind: 'elements', names: [Buffer.from(argBytes(args, 3))] })

const addWords = ['nx', 'xx', 'gt', 'lt', 'ch', 'incr']

/** Options, then groups of `size`, the member last in each. */
const scored =
  (size: number): Rule =>
  (args) => {
    let at = 2
    while (at < args.argc && addWords.some((word) => argIs(args, at, word))) at++
    return names(args, at + size - 1, size)
  }

const push =
  (end: 'left' | 'right'): Rule =>
  (args) => ({ kind: 'push', end, count: args.argc - 2 })

const pop =
  (end: 'left' | 'right'): Rule =>
  (args) => {
    const count = args.argc === 2 ? 1 : argInteger(args, 2)
    return count >= 0 ? { kind: 'pop', end, count } : null
  }

const setRange: Rule = (args) => {
  const offset = argInteger(args, 2)
  if (!(offset >= 0)) return null
  return { kind: 'bytes', from: offset, below: offset + (args.offsets[7] as number) }
}

const setBit: Rule = (args) => {
  const byte = Math.floor(argInteger(args, 2) / 8)
  return byte >= 0 ? { kind: 'bytes', from: byte, below: byte + 1 } : null
}

/** What APPEND adds is found by its place: behind the end. */
const append: Rule = () => ({ kind: 'bytes', from: 0, below: 0 })

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['hset', from(2, 2)],
  ['hmset', from(2, 2)],
  ['hsetnx', one],
  ['hincrby', one],
  ['hincrbyfloat', one],
  ['hdel', from(2)],
  ['sadd', from(2)],
  ['srem', from(2)],
  ['zadd', scored(2)],
  ['geoadd', scored(3)],
  ['zincrby', last],
  ['zrem', from(2)],
  ['rpush', push('right')],
  ['rpushx', push('right')],
  ['lpush', push('left')],
  ['lpushx', push('left')],
  ['rpop', pop('right')],
  ['lpop', pop('left')],
  ['setrange', setRange],
  ['setbit', setBit],
  ['append', append],
  ['expire', nothing],
  ['pexpire', nothing],
  ['expireat', nothing],
  ['pexpireat', nothing],
  ['persist', nothing],
])

/** Of this key, by a command with enough arguments that names no other one, or is XREADGROUP. */
export function touchOf(name: string, args: ArgView, key: Buffer): Touch {
  const ofStreams = streamRules.get(name)
  return ofStreams === undefined ? (rules.get(name)?.(args) ?? null) : ofStreams(args, key)
}
