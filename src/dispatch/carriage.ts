/** How one write is carried, before anybody looks at who is up. */
import type { Frame } from './frame.ts'
import type { Renamed } from './renamed-write.ts'
import type { ScriptCall } from './script-path.ts'

export type Carriage =
  /** The same bytes to both sides. */
  | Both
  /**
   * To the authority only; the follower gets its effect, or its keys are copied afterwards. `unknownKeys`: why the keys cannot be named.
   * `instead`: what the authority gets in its place, its expiry absolute; owned.
   */
  | { readonly how: 'copy'; readonly unknownKeys: string | null; readonly script?: ScriptCall; readonly instead?: Instead }

/** `renamed`: under another name than the client's. */
export interface Both {
  readonly how: 'both'
  readonly frame: Frame
  readonly compared: boolean
  readonly script?: ScriptCall
  readonly renamed?: Renamed | null
}

export interface Instead {
  readonly argv: readonly Buffer[]
  readonly frame: Frame
}
