/** A value that was read by its type, in the form in which it is put into its place. */
import type { Elements, Shape } from './shape.ts'

/** A value on its way under a temporary name. */
export interface StagedValue {
  readonly name: Buffer
  /** The first refusal of what was sent. */
  readonly error: string | null
  /** The connection went before everything was answered. */
  readonly lost: Error | null
  /** Resolves once everything sent so far is answered or lost. */
  readonly answered: Promise<void>
}

export interface WholeString {
  readonly kind: 'string'
  readonly sizeBytes: number
  readonly bytes: Buffer
  /** The same, as they came in. */
  readonly pieces?: readonly Buffer[]
  /** Whoever has written it, and was answered, calls it once: the bytes may become others from then on. */
  done?(): void
}

export type TypedValue =
  /** Short enough for one SET. */
  | WholeString
  /** Short enough for one block of commands straight onto the key. */
  | { readonly kind: 'elements'; readonly sizeBytes: number; readonly shape: Shape; readonly elements: Elements }
  /** Built up under a temporary name, on its way or there already. */
  | { readonly kind: 'staged'; readonly sizeBytes: number; readonly staged: StagedValue }
