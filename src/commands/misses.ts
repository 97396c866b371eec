/** What "the key is not here" looks like in a reply, per read command: for reads that try one side and fall back to the other. */
import { allCommands } from './catalogue.ts'
import type { CommandSpec } from './spec.ts'

interface MissRule {
  /** Raw beginnings of a reply that mean a miss, RESP2 and RESP3; of an element, where `perElement`. */
  readonly prefixes: readonly Buffer[]
  /** The reply is an array, and each of its elements hits or misses on its own. */
  readonly perElement: boolean
  /** Given more than one key, a reply that is no miss may still lack a key's share: only a side that has every key can answer. */
  readonly combines: boolean
}

const nil = ['$-1\r', '*-1\r', '_\r']
const empty = ['*0\r', '~0\r', '%0\r']
const zero = [':0\r']

type Group = readonly [commands: string, prefixes: readonly string[]]

const whole: readonly Group[] = [
  ['get getex hget lindex zscore zrank zrevrank geodist dump digest vemb vgetattr vinfo vlinks', nil],
  ['object|encoding object|freq object|idletime object|refcount memory|usage', nil],
  ['xinfo|stream xinfo|consumers xinfo|groups', ['-ERR no such key']],
  // A group that is not there, too: groups are part of the key.
  ['xpending', ['-NOGROUP']],
  ['vdim', ['-ERR key does not exist']],
  ['getrange substr', ['$0\r']],
  ['strlen getbit bitcount hlen hexists hstrlen llen scard sismember zcard zcount zlexcount xlen vcard', zero],
  ['vismember', [...zero, '#f\r']],
  // A missing key is all zeros: the first 0 is at 0, the first 1 nowhere.
  ['bitpos', [':0\r', ':-1\r']],
  ['type', ['+none\r']],
  ['ttl pttl expiretime pexpiretime', [':-2\r']],
  ['hgetall hkeys hvals smembers lrange zrange zrangebylex zrangebyscore zrevrange zrevrangebylex zrevrangebyscore', empty],
  ['geosearch georadius_ro georadiusbymember_ro georadius georadiusbymember xrange xrevrange sort sort_ro vsim', empty],
  // With a count they give an empty array, without one nil.
  ['hrandfield srandmember zrandmember vrandmember lpos', [...nil, ...empty]],
  // Finished, with nothing.
  ['hscan sscan zscan', ['*2\r\n$1\r\n0\r\n*0\r']],
]

const perElement: readonly Group[] = [
  ['mget hmget hgetex zmscore geohash geopos', nil],
  ['smismember bitfield bitfield_ro', zero],
  ['httl hpttl hexpiretime hpexpiretime', [':-2\r']],
]

const combining: readonly Group[] = [
  ['exists touch pfcount sintercard zintercard', zero],
  ['sinter sunion sdiff zinter zunion zdiff', empty],
  ['lcs', ['$0\r', ':0\r', '%2\r\n$7\r\nmatches\r\n*0\r', '*4\r\n$7\r\nmatches\r\n*0\r']],
  ['xread', nil],
]

const rules: (MissRule | undefined)[] = new Array(allCommands.length).fill(undefined)
const idByName = new Map(allCommands.map((spec) => [spec.name, spec.id]))

function enter(groups: readonly Group[], flags: { perElement: boolean; combines: boolean }): void {
  for (const [commands, prefixes] of groups) {
    for (const name of commands.split(' ')) {
      const id = idByName.get(name)
      if (id === undefined || rules[id]) throw new Error(`miss table: ${name} is unknown or listed twice`)
      rules[id] = { prefixes: prefixes.map((prefix) => Buffer.from(prefix)), ...flags }
    }
  }
}

enter(whole, { perElement: false, combines: false })
enter(perElement, { perElement: true, combines: false })
enter(combining, { perElement: false, combines: true })

/** Undefined: a reply does not tell (scripts, reads without keys), so the read belongs to the side that has everything. */
export function missRule(spec: CommandSpec): MissRule | undefined {
  return rules[spec.id]
}

/** Whether the whole reply is a miss. Of a `perElement` reply: whether any element is, or it is nil or empty altogether. */
export function isMiss(spec: CommandSpec, reply: Buffer): boolean {
  const rule = rules[spec.id]
  if (rule === undefined) return false
  return rule.perElement ? isNothing(reply) || firstMissing(rule, reply) : startsWithAny(rule.prefixes, reply, 0)
}

/** Indexes of the elements that miss, for a `perElement` command; empty for a reply that is no array. */
export function missingElements(spec: CommandSpec, reply: Buffer): number[] {
  const rule = rules[spec.id]
  const missing: number[] = []
  if (!rule?.perElement) return missing
  walk(reply, (at, i) => {
    if (startsWithAny(rule.prefixes, reply, at)) missing.push(i)
    return false
  })
  return missing
}

const nothing = [...nil, ...empty].map((prefix) => Buffer.from(prefix))
const isNothing = (reply: Buffer) => startsWithAny(nothing, reply, 0)

function firstMissing(rule: MissRule, reply: Buffer): boolean {
  let found = false
  walk(reply, (at) => {
    found = startsWithAny(rule.prefixes, reply, at)
    return found
  })
  return found
}

function startsWithAny(prefixes: readonly Buffer[], reply: Buffer, at: number): boolean {
  return prefixes.some((prefix) => {
    for (let i = 0; i < prefix.length; i++) if (reply[at + i] !== prefix[i]) return false
    return true
  })
}

/** Calls `visit` with the beginning of each element of a whole array reply until it returns true. */
function walk(reply: Buffer, visit: (at: number, index: number) => boolean): void {
  if (reply[0] !== 42) return
  const count = lineNumber(reply, 0)
  let at = afterLine(reply, 0)
  for (let i = 0; i < count && at < reply.length; i++) {
    if (visit(at, i)) return
    at = afterFrame(reply, at)
  }
}

function afterLine(reply: Buffer, at: number): number {
  const end = reply.indexOf(10, at)
  return end < 0 ? reply.length : end + 1
}

function lineNumber(reply: Buffer, at: number): number {
  return Number(reply.toString('latin1', at + 1, afterLine(reply, at)))
}

/** The replies of the `perElement` commands hold bulks, numbers, doubles, nulls and arrays of them. */
function afterFrame(reply: Buffer, at: number): number {
  const type = reply[at]
  let next = afterLine(reply, at)
  if (type === 36) {
    const length = lineNumber(reply, at)
    return length < 0 ? next : next + length + 2
  }
  if (type === 42) for (let left = lineNumber(reply, at); left > 0 && next < reply.length; left--) next = afterFrame(reply, next)
  return next
}
