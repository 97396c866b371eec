/**
 * Switches that each take one safety away, for the tests that have to notice it: a test of a safety that passes without it proves nothing.
 * Read here and nowhere else. Never for operation: with any of them set, source and target become different.
 */
import type { Logger } from 'pino'

export const unsafeSwitches = {
  /** Copies do not hold writes off their keys. */
  hold: 'FERRY_UNSAFE_NO_HOLD',
  /** What two servers may do differently goes to both as it came, and nobody compares the answers. */
  effects: 'FERRY_UNSAFE_NO_EFFECTS',
  /** What may differ is not remembered. */
  journal: 'FERRY_UNSAFE_NO_JOURNAL',
  /** After a crash nothing counts as having been under way. */
  intents: 'FERRY_UNSAFE_NO_INTENTS',
} as const

export type Safety = keyof typeof unsafeSwitches

/** Whether Ferry has this safety. */
export const isSafe = (safety: Safety): boolean => process.env[unsafeSwitches[safety]] !== '1'

/** Says at the start, for everybody to see, what is switched off. */
export function warnOfUnsafe(logger: Logger): void {
  for (const [safety, variable] of Object.entries(unsafeSwitches))
    if (process.env[variable] === '1') logger.fatal({ variable }, `UNSAFE: ${safety} is switched off; data will be lost`)
}
