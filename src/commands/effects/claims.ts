/**
 * XCLAIM and XAUTOCLAIM: who gets an entry depends on how long it has been idle by the server's clock, so the reply decides. The follower
 * claims the same entries whatever it thinks of their idle times, and what the authority found deleted leaves its pending list.
 */
import type { Reply } from '../../resp/decode.ts'
import { encodeInteger, replies } from '../../resp/encode.ts'
import { createConsumer, madeConsumer } from './consumers.ts'
import { areBuffers, type Beside, copy, type Effect, type EffectRule, none, replyBytes, several, wordAt } from './effect.ts'

/** Idle for longer than anything: claims nothing, and drops pending entries that are deleted. */
const never = '9223372036854775807'
const always = (): boolean => true
const word = { xclaim: Buffer.from('XCLAIM'), xack: Buffer.from('XACK'), zero: Buffer.from('0'), never: Buffer.from(never) }

interface Claimed {
  /** Of the entries in the reply, in its order. */
  readonly ids: readonly Buffer[]
  /** What the same claim is answered on the other side. */
  readonly bytes: Buffer
}

/** null: an entry that was claimed although it is deleted (before 7.0), so its id is not told. */
function claimedIn(reply: Reply | undefined, onlyIds: boolean): Claimed | null {
  if (!Array.isArray(reply)) return null
  const ids = onlyIds ? reply : reply.map((entry) => (Array.isArray(entry) && entry.length > 0 ? (entry[0] as Reply) : null))
  const bytes = replyBytes(reply)
  return bytes !== null && areBuffers(ids) ? { ids, bytes } : null
}

interface Claim {
  readonly ids: readonly Buffer[]
  readonly options: readonly Buffer[]
  readonly onlyIds: boolean
}

const exactId = /^(\d{1,20})(?:-(\d{1,20}))?$/
const withValue = new Set(['idle', 'time', 'retrycount', 'lastid'])

/** XCLAIM's ids and options; null where they are not understood. */
function claimOf(argv: readonly Buffer[]): Claim | null {
  let at = 5
  while (at < argv.length && exactId.test(wordAt(argv, at))) at++
  const ids = argv.slice(5, at)
  const options = argv.slice(at)
  let onlyIds = false
  for (; at < argv.length; at++) {
    const option = wordAt(argv, at)
    if (option === 'justid') onlyIds = true
    else if (withValue.has(option)) at++
    else if (option !== 'force') return null
  }
  return ids.length > 0 && at === argv.length ? { ids, options, onlyIds } : null
}

/** `5` and `05-0` are `5-0`. */
function sameId(one: Buffer, other: Buffer): boolean {
  const [a, b] = [exactId.exec(String(one)), exactId.exec(String(other))]
  return a !== null && b !== null && BigInt(a[1] as string) === BigInt(b[1] as string) && BigInt(a[2] ?? 0) === BigInt(b[2] ?? 0)
}

/** The ids that were asked for and not claimed. Replies come in the order of the request. */
function leftOut(asked: readonly Buffer[], claimed: readonly Buffer[]): Buffer[] | null {
  let next = 0
  const left = asked.filter((id) => {
    const claim = claimed[next]
    if (claim === undefined || !sameId(id, claim)) return true
    next++
    return false
  })
  return next === claimed.length ? left : null
}

export const xclaim: EffectRule = {
  tells: (argv) => claimOf(argv) !== null,
  effect(argv, reply, beside) {
    const claim = claimOf(argv)
    if (claim === null) return copy
    const claimed = claimedIn(reply, claim.onlyIds)
    const left = claimed === null ? null : leftOut(claim.ids, claimed.ids)
    if (claimed === null || left === null) return copy
    const head = [word.xclaim, ...argv.slice(1, 4)]
    const claiming = { words: [...head, word.zero, ...claimed.ids, ...claim.options], expected: claimed.bytes }
    // FORCE is not for these: it would make them pending. LASTID is, where nobody else carries it.
    const dropping = { words: [...head, word.never, ...left, ...lastIdOf(claim.options)], expected: replies.emptyArray }
    if (claimed.ids.length > 0) return several(left.length > 0 ? [claiming, dropping] : [claiming])
    return claimOfNothing(argv, dropping, beside)
  },
}

function lastIdOf(options: readonly Buffer[]): readonly Buffer[] {
  for (let i = 0; i < options.length; i++) {
    const option = wordAt(options, i)
    if (option === 'lastid') return options.slice(i, i + 2)
    if (withValue.has(option)) i++
  }
  return []
}

type Command = Parameters<typeof several>[0][number]

function claimOfNothing(argv: readonly Buffer[], dropping: Command, { authority, follower }: Beside): Effect {
  const [, key, group, consumer] = argv as [Buffer, Buffer, Buffer, Buffer]
  const [here, there] = [madeConsumer(authority), madeConsumer(follower)]
  if (here === null || there === null || (!here && there)) return copy
  return several(here && !there ? [dropping, createConsumer(key, group, consumer)] : [dropping])
}

export const xautoclaim: EffectRule = {
  tells: always,
  effect(argv, reply, { authority }) {
    const onlyIds = argv.slice(6).some((_, i) => wordAt(argv, i + 6) === 'justid')
    const [, entries, deleted = []] = Array.isArray(reply) ? reply : []
    const claimed = claimedIn(entries, onlyIds)
    if (claimed === null || !Array.isArray(deleted) || !areBuffers(deleted)) return copy
    const [, key, group, consumer] = argv as [Buffer, Buffer, Buffer, Buffer]
    const commands: Command[] = []
    if (claimed.ids.length > 0) {
      const words = [word.xclaim, key, group, consumer, word.zero, ...claimed.ids, ...(onlyIds ? ['JUSTID'] : [])]
      commands.push({ words, expected: claimed.bytes })
    } else {
      const made = madeConsumer(authority)
      if (made === null) return copy
      if (made) commands.push(createConsumer(key, group, consumer))
    }
    if (deleted.length > 0) {
      commands.push({ words: [word.xack, key, group, ...deleted], expected: encodeInteger(deleted.length) })
    }
    return commands.length === 0 ? none : several(commands)
  },
}
