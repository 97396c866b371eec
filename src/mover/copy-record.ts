/** What a state file knows of the copy that it belongs to, so that a further run of it is told from a new one. */
import { randomBytes } from 'node:crypto'
import { type CopyRules, isPlain } from '../routing/copy-rules.ts'
import type { Store } from '../state/store.ts'

export interface CopyRecord {
  /** Twelve hexadecimal digits. */
  readonly id: string
  /** Its address, without a password. */
  readonly target: string
  readonly rules: CopyRules
  /** Everything was looked at by these rules. */
  readonly through: boolean
}

const documentName = 'copy'

/** Null where no copy to this target was begun with this file. */
export function loadRecord(store: Store, target: string): CopyRecord | null {
  const record = store.loadDocument(documentName) as CopyRecord | null
  return record?.target === target ? record : null
}

export const saveRecord = (store: Store, record: CopyRecord): void => store.saveDocument(documentName, record)

export const newCopyId = (): string => randomBytes(6).toString('hex')

/** The same for each run of a copy. */
export function copyIdOf(store: Store, target: string, rules: CopyRules): string {
  const record = loadRecord(store, target)
  return record !== null && sameRules(record.rules, rules) ? record.id : newCopyId()
}

/** Plain copies are alike: each of them can go on with another's. */
export const sameRules = (one: CopyRules, other: CopyRules): boolean =>
  (isPlain(one) && isPlain(other)) || JSON.stringify(one) === JSON.stringify(other)
