/** Ferry with one of its safeties switched off: what the convergence runs have to notice. */
import { type Safety, unsafeSwitches } from '../../../src/process/unsafe.ts'
import { type StressOptions, stress } from './stress.ts'

export type Mutant = Safety

export const mutants = Object.keys(unsafeSwitches) as readonly Mutant[]

/** Their answers do not tell what the key held before, so only a comparison of the data shows that it was something else. */
const silent = ['setex', 'psetex', 'mset', 'hmset']
const plain = [...silent, 'set', 'ltrim', 'rpush', 'del', 'sadd', 'hset']

/** What puts everything in doubt, and so has everything copied again: that would heal what was to be seen. */
const healing = [
  'flushdb',
  'flushall',
  'swapdb',
  'eval',
  'function|flush',
  'function|delete',
  'function|load',
  'function|restore',
]

/** Everything is copied before it begins, for the same reason. */
const calm: Partial<StressOptions> = { copied: true, shortLived: false, users: false, without: healing }

/** What makes each show soonest: the more of the rest is left out, the less makes good by chance what is missing. Many keys, so that a
 * write that was lost is not made good by the next one. */
const settings: Readonly<Record<Mutant, Partial<StressOptions>>> = {
  hold: { ...calm, deeds: ['reads'], only: silent, keysPerType: 500, finale: 'copy' },
  effects: { ...calm, deeds: ['reads'], finale: 'none' },
  journal: { ...calm, deeds: ['killFollower', 'freezeLong'], only: plain, keysPerType: 120, finale: 'none' },
  intents: { ...calm, deeds: ['reads'], only: plain, keysPerType: 120, finale: 'crash' },
}

const roundsMax = 6
const secondsPerRoundMax = 4

export interface Verdict {
  /** Only different data counts: other complaints have other causes. */
  readonly caught: boolean
  readonly how: string
}

/** Runs with one seed after the other until it is noticed. */
export async function huntMutant(mutant: Mutant, options: StressOptions): Promise<Verdict> {
  let last = ''
  for (let round = 0; round < roundsMax; round++) {
    const seed = options.seed + round
    const run = { ...options, ...settings[mutant], mutant, seed, seconds: Math.min(options.seconds, secondsPerRoundMax) }
    try {
      const { differences } = (await stress(run)).comparison
      const [first] = differences
      if (first !== undefined)
        return { caught: true, how: `${differences.length} differences with seed ${seed}, such as ${first.key}: ${first.detail}` }
      last = 'no difference'
    } catch (error) {
      last = (error as Error).message.slice(0, 200)
    }
  }
  return { caught: false, how: `${roundsMax} rounds, the last: ${last}` }
}
