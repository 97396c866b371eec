/** The rules of a copy: what becomes of keys that the target has already, which keys are copied, and under which names they arrive. */

/** `refuse`: a target with any key is not copied to. */
export const conflictRules = ['refuse', 'skip', 'replace', 'merge'] as const
export type ConflictRule = (typeof conflictRules)[number]

/** Which of two strings is kept where types are merged. */
export const stringRules = ['newer', 'source', 'target'] as const
export type StringRule = (typeof stringRules)[number]

export const expiryRules = ['any', 'with', 'without'] as const

/** By which rule a key was not copied; the order is that in which the rules are asked. */
export const skipReasons = ['database', 'pattern', 'type', 'size', 'ttl', 'on-conflict', 'merge-strings'] as const
export type SkipReason = (typeof skipReasons)[number]

export interface FilterRules {
  /** Globs over the names on the source; a key has to fit one of them. None: all do. */
  readonly include: readonly string[]
  /** Counts more than `include`. */
  readonly exclude: readonly string[]
  /** As TYPE tells them; none: all. */
  readonly types: readonly string[]
  /** None: all. */
  readonly databases: readonly number[]
  /** As MEMORY USAGE tells it. */
  readonly sizeBytesMin: number
  /** 0 = unlimited. */
  readonly sizeBytesMax: number
  /** What is left of a key that expires. */
  readonly ttlMsMin: number
  /** 0 = unlimited. */
  readonly ttlMsMax: number
  readonly expiry: (typeof expiryRules)[number]
}

export interface RenameRule {
  readonly from: string
  readonly to: string
}

export interface CopyRules {
  readonly onConflict: ConflictRule
  readonly merge: { readonly strings: StringRule }
  readonly filter: FilterRules
  readonly rename: readonly RenameRule[]
}

const takesAll = ({ include, exclude, types, databases, ...rest }: FilterRules): boolean =>
  [include, exclude, types, databases].every(({ length }) => length === 0) && rest.expiry === 'any' && !hasBounds(rest)

const hasBounds = (filter: Omit<FilterRules, 'include' | 'exclude' | 'types' | 'databases'>): boolean =>
  filter.sizeBytesMin > 0 || filter.sizeBytesMax > 0 || filter.ttlMsMin > 0 || filter.ttlMsMax > 0

/** Every key of the source is copied under its own name, over whatever the target has of it: what the mover does anyway. */
export function isPlain({ onConflict, filter, rename }: CopyRules): boolean {
  return (onConflict === 'refuse' || onConflict === 'replace') && takesAll(filter) && rename.length === 0
}

/** Which of them makes the two sides differ on purpose; null: none does. */
export function whatLeavesDifferences({ onConflict, filter, rename }: CopyRules): string | null {
  if (onConflict === 'skip' || onConflict === 'merge') return `onConflict: ${onConflict}`
  if (!takesAll(filter)) return 'filter'
  return rename.length > 0 ? 'rename' : null
}
