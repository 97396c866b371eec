/** Every command that the convergence load can issue, by family. */
import { bitmaps } from './bitmaps.ts'
import type { Generator } from './family.ts'
import { geo } from './geo.ts'
import { hashes } from './hashes.ts'
import { hyperloglogs } from './hyperloglogs.ts'
import { keys } from './keys.ts'
import { blockingLists, lists } from './lists.ts'
import { scripts } from './scripts.ts'
import { flushAll, globals, malformed, others } from './server.ts'
import { sets } from './sets.ts'
import { blockingSortedSets, sortedSets } from './sorted-sets.ts'
import { blockingStreams, streams } from './streams.ts'
import { strings } from './strings.ts'
import { vectors } from './vectors.ts'

/** Those that never wait on the server. */
export const prompt: readonly Generator[] = [
  ...strings,
  ...bitmaps,
  ...keys,
  ...hashes,
  ...lists,
  ...sets,
  ...sortedSets,
  ...geo,
  ...hyperloglogs,
  ...streams,
  ...scripts,
  ...vectors,
  ...globals,
  ...others,
]

export const blocking: readonly Generator[] = [...blockingLists, ...blockingSortedSets, ...blockingStreams]

/** For the beginning of a run only. */
export const beginning: readonly Generator[] = flushAll

export { malformed }
