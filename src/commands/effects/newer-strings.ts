/** Strings in forms that the follower is too old for: what the authority decided, without its conditions. */
import { encodeInteger, replies } from '../../resp/encode.ts'
import { copy, type EffectRule, none, one, several, wordAt } from './effect.ts'

const comparisons = new Set(['ifeq', 'ifne', 'ifdeq', 'ifdne'])

interface Options {
  /** KEEPTTL, EXAT or PXAT with its instant, or nothing. */
  readonly lifetime: readonly Buffer[]
  readonly get: boolean
  /** What IFEQ compares with; null where another condition stands. */
  readonly equals: Buffer | null
}

/** null where they are not understood, or an expiry is relative: then it is not known what the authority made of it. */
function optionsIn(argv: readonly Buffer[], from: number): Options | null {
  let lifetime: readonly Buffer[] = []
  let get = false
  let equals: Buffer | null = null
  for (let at = from; at < argv.length; at++) {
    const word = wordAt(argv, at)
    if (word === 'keepttl') lifetime = argv.slice(at, at + 1)
    else if (word === 'exat' || word === 'pxat') {
      lifetime = argv.slice(at, at + 2)
      at++
    } else if (comparisons.has(word)) {
      at++
      if (word === 'ifeq') equals = argv[at] ?? null
    } else if (word === 'get') get = true
    else if (word !== 'nx' && word !== 'xx') return null
    if (at >= argv.length) return null
  }
  return { lifetime, get, equals }
}

/** With GET the reply is the value before, which tells whether it was set only where that was the condition. */
const tellsSet = (options: Options | null): options is Options => options !== null && (!options.get || options.equals !== null)

export const set: EffectRule = {
  tells: (argv) => tellsSet(optionsIn(argv, 3)),
  effect(argv, reply) {
    const options = optionsIn(argv, 3)
    if (!tellsSet(options)) return copy
    if (reply === null) return none
    if (!Buffer.isBuffer(reply)) return copy
    if (options.get && options.equals?.equals(reply) !== true) return none
    return one(['SET', argv[1] as Buffer, argv[2] as Buffer, ...options.lifetime], replies.ok)
  },
}

/** MSETEX: count, that many pairs, options. */
function pairsOf(argv: readonly Buffer[]): { pairs: readonly Buffer[]; options: Options } | null {
  const count = Number(argv[1])
  const end = 2 + 2 * count
  const options = count > 0 && end <= argv.length ? optionsIn(argv, end) : null
  return options === null ? null : { pairs: argv.slice(2, end), options }
}

export const msetex: EffectRule = {
  tells: (argv) => pairsOf(argv) !== null,
  effect(argv, reply) {
    const parsed = pairsOf(argv)
    if (parsed === null) return copy
    if (reply === 0) return none
    if (reply !== 1) return copy
    const { pairs, options } = parsed
    const commands = []
    for (let i = 0; i < pairs.length; i += 2)
      commands.push({ words: ['SET', pairs[i] as Buffer, pairs[i + 1] as Buffer, ...options.lifetime], expected: replies.ok })
    return several(commands)
  },
}

/** DELEX and DELIFEQ: the key is gone, or it is as it was. */
export const conditionalDelete: EffectRule = {
  tells: () => true,
  effect: (argv, reply) => (reply === 0 ? none : reply === 1 ? one(['DEL', argv[1] as Buffer], encodeInteger(1)) : copy),
}
