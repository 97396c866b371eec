/** What `ferry copy` tells while it runs; how it looks is the command line's business. */
import type { ProgressSnapshot } from './progress.ts'
import type { StandstillView } from './standstill-limit.ts'

export interface CopyProgress {
  readonly phase: 'copy' | 'sweep' | 'follow'
  readonly mover: ProgressSnapshot
  /** Keys that are to be copied again: in use, refused for the moment, or changed. */
  readonly waiting: number
  /** The server that nothing gets past, and for how long; null = none. */
  readonly standstill: StandstillView | null
  /** Null without `--live`. */
  readonly live: {
    /** Keys that the source told of, each time it did. */
    readonly changes: number
    /** Whole looks at everything, finished. */
    readonly passes: number
  } | null
}

export interface CopyView {
  /** How often `progress` is wanted. */
  readonly everyMs: number
  progress(now: CopyProgress): void
  /** Something that a reader has to know at once. */
  note(text: string): void
  /** The last word: nothing is drawn over it. */
  end(): void
}
