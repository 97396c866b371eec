/** How changes at the source that do not pass through Ferry are noticed. */

export interface ChangeListener {
  /** From now on every change is told. What was changed before, or since `deaf`, is not. */
  listening(): void
  /** `db` null: in whichever database, the server does not say. The keys are the listener's. */
  changed(db: number | null, keys: readonly Buffer[]): void
  /** One database or all of them were emptied. */
  flushed(): void
  /** Changes may go unseen until `listening` is called again. */
  deaf(reason: string): void
}

export interface ChangeFeed {
  /** Whether FLUSHALL and FLUSHDB are told. SWAPDB never is. */
  readonly tellsFlush: boolean
  /** Resolves once changes are told. @throws FerryError where the server refuses to. Comes back by itself when it is cut off later. */
  start(): Promise<void>
  /** Resolves once everything that was changed before the call was told. Rejects where the connection is lost, or changes are not told any more. */
  caughtUp(): Promise<void>
  /** The connection is of no use any more: `deaf`, and then a new one. */
  cut(reason: string): void
  stop(): Promise<void>
}
