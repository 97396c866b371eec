/** A key that differs, and how. */

export type FindingKind = 'missing' | 'extra' | 'type' | 'value' | 'ttl'

export interface Finding {
  readonly key: Buffer
  /** Of the source, or of the side that has the key. */
  readonly type: string
  /** missing and extra: on the target, seen from the source. */
  readonly kind: FindingKind
  readonly detail: string
}

export interface LocatedFinding extends Finding {
  readonly db: number
}

export const absence = (key: Buffer, type: string, onTarget: boolean): Finding =>
  onTarget
    ? { key, type, kind: 'missing', detail: 'only the source has this key' }
    : { key, type, kind: 'extra', detail: 'only the target has this key' }
