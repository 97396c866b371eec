/** What the command line does itself instead of asking a running Ferry. The entry point supplies it, each part loaded only when used. */
import type { Config } from '../config/schema.ts'
import type { VerifyReport } from '../control/schemas.ts'
import type { DemoOptions } from '../demo/main.ts'
import type { CopyView } from '../mover/copy-view.ts'
import type { LiveOptions } from '../mover/live-copy.ts'
import type { MoverLimits } from '../mover/progress.ts'
import type { AccessKind } from '../routing/access-kind.ts'
import type { CopyRules } from '../routing/copy-rules.ts'
import type { DatabaseSetting } from '../routing/database-layout.ts'
import type { Side } from '../routing/modes.ts'
import type { Endpoint } from '../upstream/endpoint.ts'

export interface CopyOptions {
  readonly source: string
  readonly target: string
  readonly json: boolean
  /** Those that are not as they are by default. */
  readonly limits: Partial<MoverLimits>
  /** Also remove from the target what the source does not have. */
  readonly sweep: boolean
  /** SQLite file that lets a copy be resumed; null = none. */
  readonly state: string | null
  /** As `target.databases` of the configuration. */
  readonly databases: DatabaseSetting
  /** Where the keys that could not be copied are written to, as NDJSON; null = nowhere. */
  readonly errors: string | null
  /** They come with what DUMP gives where that is no longer; 0 = none do. */
  readonly payloadBytesMax: number
  /** How long a server is waited for that takes nothing, or is away; 0 = for ever. */
  readonly standstillSeconds: number
  /** Follow what changes at the source until it is stopped; null = what is there now, once. */
  readonly live: LiveOptions | null
  /** A dump that takes the place of the source, and the server program that reads it (null = one on PATH). */
  readonly fromRdb: { readonly file: string; readonly program: string | null } | null
  readonly carryAccess: AccessKind
  readonly rules: CopyRules
  /** As a configuration file has them; null: as `source` and `target` say. */
  readonly endpoints: Readonly<Record<Side, Endpoint>> | null
}

export interface DirectVerifyOptions {
  readonly source: string
  readonly target: string
  readonly repair: boolean
  readonly ttlToleranceMs: number | undefined
  readonly rounds: number | undefined
  readonly settleMs: number | undefined
  readonly samplePercent: number | undefined
  readonly sampleKeys: number | undefined
  /** 0 or undefined = unlimited. */
  readonly keysPerSecondMax: number | undefined
  /** SQLite file that keeps the place; null = none. */
  readonly state: string | null
  readonly resume: boolean
  readonly signal: AbortSignal
  /** Many times per second. */
  readonly onProgress: ((report: VerifyReport) => void) | undefined
  readonly databases: string
}

export interface RunningFerry {
  readonly listening: readonly string[]
  stop(): Promise<void>
}

/** `copy` and `demo` resolve to the exit status. */
export interface LocalWork {
  serve(config: Config): Promise<RunningFerry>
  copy(options: CopyOptions, view: CopyView): Promise<number>
  /** Throws FerryError where it does not reach its end. */
  verify(options: DirectVerifyOptions): Promise<VerifyReport>
  demo(options: DemoOptions): Promise<number>
}
