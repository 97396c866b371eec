/** From the entries of a former process' intent log to the journal: which keys may differ, and which side decides about each. */
import { Kind } from '../commands/spec.ts'
import { Intent, type IntentEntry, keysIn } from '../state/intent-log.ts'
import { framesIn, keysOf, specOf } from './command-keys.ts'
import type { SidedConnection } from './former-connections.ts'
import type { Journal } from './journal.ts'

const reason = 'it was under way when Ferry was not stopped in order'

/**
 * In order, and to the end: the last word about a key counts, and a copy of everything goes the other way for a key whose truth is the
 * follower's. Answers why some of it cannot be told key by key, or null.
 */
export function takeUp(journal: Journal, entries: readonly IntentEntry[]): string | null {
  let doubt: string | null = null
  for (const entry of entries) doubt = takeUpOne(journal, entry) ?? doubt
  return doubt
}

function takeUpOne(journal: Journal, { kind, truth, db, bytes }: IntentEntry): string | null {
  if (kind === Intent.connection) return null
  if (kind === Intent.doubt) return bytes.toString()
  if (kind === Intent.flip) {
    journal.decidedBy(truth)
    return null
  }
  if (kind === Intent.frames) return takeUpFrames(journal, bytes, db, truth)
  const keys = kind === Intent.keys ? keysIn(bytes) : null
  if (keys === null) return 'the intent log holds what is not understood'
  for (const key of keys) journal.mark(db, key, truth, reason)
  return null
}

function takeUpFrames(journal: Journal, bytes: Buffer, db: number, truth: IntentEntry['truth']): string | null {
  let end = 0
  let doubt: string | null = null
  for (const frame of framesIn(bytes, 0, bytes.length)) {
    end = frame.position
    const spec = specOf(frame)
    const keys = spec.kind === Kind.WriteGlobal || spec.kind === Kind.Unknown ? null : keysOf(spec, frame, db)
    if (keys === null) doubt = `${spec.name} was under way`
    for (const { db: inDb, key } of keys ?? []) journal.mark(inDb, key, truth, reason)
  }
  return end === bytes.length ? doubt : 'the intent log holds a command that is not whole'
}

/** A connection as the log tells it: its number on the server, and which start of the server gave it. */
export const connectionText = ({ clientId, runId }: { clientId: number | null; runId: string | null }): string =>
  `${clientId ?? 0} ${runId ?? ''}`

export function connectionIn({ truth, bytes }: IntentEntry): SidedConnection {
  const [id = '0', runId = ''] = bytes.toString().split(' ')
  return { side: truth, clientId: Number(id), runId: runId === '' ? null : runId }
}
