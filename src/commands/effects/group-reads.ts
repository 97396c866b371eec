/**
 * XREADGROUP between two servers of which one makes the consumer even where there is nothing to read for it, and the other does not.
 * Only then: otherwise it is the same on both sides.
 */
import type { Reply } from '../../resp/decode.ts'
import { createConsumer, madeConsumer } from './consumers.ts'
import { areBuffers, copy, type Effect, type EffectRule, replyBytes, several, wordAt } from './effect.ts'

/** Where STREAMS stands; 0 where the options are not understood. */
function streamsAt(argv: readonly Buffer[]): number {
  for (let at = 4; at < argv.length; at++) {
    const word = wordAt(argv, at)
    if (word === 'streams') return at
    if (word === 'count' || word === 'block') at++
    else if (word !== 'noack') return 0
  }
  return 0
}

/** The streams in the answer: pairs in RESP2, a flat list of a map in RESP3. */
function servedIn(reply: Reply): Buffer[] | null {
  if (reply === null) return []
  if (!Array.isArray(reply)) return null
  const names = Array.isArray(reply[0]) ? reply.map((pair) => (pair as Reply[])[0] ?? null) : reply.filter((_, i) => i % 2 === 0)
  return areBuffers(names) ? [...names] : null
}

/** null where it cannot be written again as it was: an entry that is pending and deleted is a nil, which the protocols write differently. */
function answerBytes(reply: Reply): Buffer | null {
  const bytes = replyBytes(reply)
  if (bytes === null || !Array.isArray(reply) || Array.isArray(reply[0])) return bytes
  const header = bytes.indexOf(10) + 1
  return Buffer.concat([Buffer.from(`%${reply.length / 2}\r\n`), bytes.subarray(header)])
}

export const xreadgroup: EffectRule = {
  tells: (argv) => streamsAt(argv) > 0,
  effect(argv, reply, { authority }): Effect {
    const at = streamsAt(argv)
    const served = servedIn(reply)
    const made = madeConsumer(authority)
    if (at === 0 || served === null || made === null) return copy
    const [, , group, consumer] = argv as [Buffer, Buffer, Buffer, Buffer]
    const rest = argv.slice(at + 1)
    const keys = rest.slice(0, rest.length / 2)
    const isServed = keys.map((key) => served.some((name) => name.equals(key)))
    const commands: Parameters<typeof several>[0][number][] = []
    if (served.length > 0) {
      const chosen = [...keys, ...rest.slice(keys.length)].filter((_, i) => isServed[i % keys.length])
      commands.push({ words: [...argv.slice(0, at + 1), ...chosen], expected: answerBytes(reply) })
    }
    if (made) for (const [i, key] of keys.entries()) if (!isServed[i]) commands.push(createConsumer(key, group, consumer))
    return several(commands)
  },
}
