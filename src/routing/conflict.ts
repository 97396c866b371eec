/** What becomes of a key that may be on both sides, by their types and the rule. */
import type { StringRule } from './copy-rules.ts'

/** Types that TYPE tells, whose elements can be put together. */
const ofElements: readonly string[] = ['hash', 'set', 'zset']

export type Merge =
  /** The target has none: it is written as a whole, unless it has come to be there meanwhile. */
  | { readonly how: 'create' }
  /** The whole value of the source takes the place of the other one. */
  | { readonly how: 'replace' }
  /** Fields where absent, members, scores. */
  | { readonly how: 'add' }
  /** Also where the target has none, so that it is known what was appended already. */
  | { readonly how: 'append' }
  /** The target's stays. */
  | { readonly how: 'keep' }
  /** Whichever was used last; ages have to be asked for. */
  | { readonly how: 'compare' }
  /** Nothing can be done about it by a rule; why, in words. */
  | { readonly how: 'leave'; readonly why: string }

/** Types as TYPE tells them; `none` of the target: it does not have the key. */
export function mergeOf(sourceType: string, targetType: string, strings: StringRule): Merge {
  if (sourceType === 'list' && (targetType === 'none' || targetType === 'list')) return { how: 'append' }
  if (targetType === 'none') return { how: 'create' }
  if (sourceType !== targetType) {
    return { how: 'leave', why: `cannot be merged: it is a ${sourceType} on the source and a ${targetType} on the target` }
  }
  if (ofElements.includes(sourceType)) return { how: 'add' }
  if (sourceType !== 'string') return { how: 'leave', why: `cannot be merged: both sides have a value of type ${sourceType}` }
  if (strings === 'newer') return { how: 'compare' }
  return { how: strings === 'source' ? 'replace' : 'keep' }
}

/**
 * By how long nobody has used them, in the seconds that OBJECT IDLETIME tells; where that is equal nothing is overwritten. One second says
 * nothing: the servers count whole ones, and are not asked in the same instant.
 */
export const isNewer = (sourceIdleSeconds: number, targetIdleSeconds: number): boolean =>
  sourceIdleSeconds + 1 < targetIdleSeconds
