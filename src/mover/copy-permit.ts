/** Whether `ferry copy` may begin, by its rules, what the target has, and what its state file knows; and what is due once it is through. */
import { FerryError } from '../errors.ts'
import { CommandWriter } from '../resp/command-writer.ts'
import { type CopyRules, whatLeavesDifferences } from '../routing/copy-rules.ts'
import { KeyFilter } from '../routing/key-filter.ts'
import { type Side, sides } from '../routing/modes.ts'
import type { Store } from '../state/store.ts'
import type { Lane } from '../upstream/lane.ts'
import { loadRecord, sameRules, saveRecord } from './copy-record.ts'
import { foreignKeys, foreignText } from './foreign-keys.ts'
import { removeNotes } from './list-append.ts'
import { askSide } from './side-question.ts'

/** The copy that is about to begin. */
export interface CopyPlan {
  readonly store: Store
  readonly lanes: Readonly<Record<Side, Lane>>
  readonly rules: CopyRules
  readonly copyId: string
  readonly sweep: boolean
  /** Whether the state file outlives the process. */
  readonly keeps: boolean
}

/**
 * False: an earlier run on the same state file is through, and by these rules nothing may be done twice: only what failed then is tried again.
 * @throws FerryError `bad-request` for rules that do not go together, `blocked` where the target, the servers or the state file do not allow it.
 */
export async function mayScan(plan: CopyPlan): Promise<boolean> {
  const { store, lanes, rules, sweep } = plan
  const what = whatLeavesDifferences(rules)
  if (sweep && what !== null)
    throw new FerryError('bad-request', `--sweep removes what the source does not have, which does not go with ${what}`)
  const record = loadRecord(store, lanes.target.endpoint.redacted)
  if (record === null && rules.onConflict === 'refuse') await mustBeEmpty(lanes.target, rules)
  const isSame = record !== null && sameRules(record.rules, rules)
  if (record !== null && !record.through && !isSame) {
    throw new FerryError(
      'blocked',
      'the state file has a copy under way by other rules: give the same ones to go on with it, or another --state to begin anew',
    )
  }
  if (rules.onConflict === 'merge' && rules.merge.strings === 'newer') for (const side of sides) await mustTellAges(lanes[side])
  if (rules.onConflict === 'merge' && isSame && record.through) return false
  note(plan, false)
  return true
}

/** The copy is through. The notes of lists that failed stay, so that they can be gone on with. */
export async function noteEnd(plan: CopyPlan): Promise<void> {
  const { store, lanes, rules, copyId, keeps } = plan
  note(plan, true)
  if (rules.onConflict !== 'merge') return
  // Of unknown type is what had gone when it was looked at.
  const failed = keeps ? [...store.takeFailed(undefined)] : []
  if (failed.some(({ type }) => type === 'list' || type === null)) return
  // What cannot be removed ends by itself.
  await removeNotes(lanes.target, copyId).catch(() => undefined)
}

function note({ store, lanes, rules, copyId }: CopyPlan, through: boolean): void {
  saveRecord(store, { id: copyId, target: lanes.target.endpoint.redacted, rules, through })
}

async function mustBeEmpty(target: Lane, { filter }: CopyRules): Promise<void> {
  const taken = new KeyFilter(filter)
  const found = await foreignKeys(target, (db) => taken.takesDatabase(db))
  if (found.length === 0) return
  throw new FerryError(
    'blocked',
    `${foreignText(found, null)}. Empty it, or say what becomes of keys that it has already: --on-conflict skip leaves them, replace puts the source's in their place, merge puts both together`,
  )
}

/** A server that evicts by frequency does not know when a key was used last. */
async function mustTellAges(lane: Lane): Promise<void> {
  const info = String((await askSide(lane, 0, new CommandWriter().command('INFO', 'memory'))).reply())
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? ''
  if (!policy.includes('lfu')) return
  throw new FerryError(
    'blocked',
    `the ${lane.side} has maxmemory-policy ${policy}, with which it does not tell when a key was used last: merge strings by source or target, not by newer`,
  )
}
