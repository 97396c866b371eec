/** The error queue as the control API asks for it: over the state file, the journal takes up again what is replayed. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Operations } from '../control/operations.ts'
import type { ErrorsFilter } from '../control/schemas.ts'
import { documentOf } from '../mover/failed-key.ts'
import type { FailedEntry, FailedFilter } from '../state/store.ts'
import type { Parts } from './parts.ts'

const pollMs = 20

type ErrorOperations = Pick<Operations, 'errors' | 'replayErrors' | 'editErrors'>

export function errorOperations({ store, core }: Pick<Parts, 'store' | 'core'>): ErrorOperations {
  const chosen = (ids: readonly number[] | undefined, filter: ErrorsFilter | undefined): FailedEntry[] => [
    ...store.takeFailed(ids, filterOf(filter ?? {}, Date.now())),
  ]
  return {
    errors: (cursor, limit, filter, withPayload) => {
      const page = store.listFailed(cursor, limit, filterOf(filter, Date.now()))
      return { ...page, byClass: store.failedByClass(), items: page.items.map((entry) => documentOf(entry, withPayload)) }
    },
    replayErrors: async ({ ids, filter, waitMs }) => {
      const untilMs = performance.now() + waitMs
      // What somebody skipped is taken up only by its id, or where skipped ones are asked for.
      const isMeant = ({ state }: FailedEntry): boolean => state !== 'skipped' || ids !== undefined || filter?.state === 'skipped'
      const taken = chosen(ids, filter).filter(isMeant)
      const replay = store.replayFailed(taken.map(({ id }) => id))
      for (const { db, key, from } of taken)
        core.journal.mark(db, key, from === 'authority' ? core.traffic.authority : from, 'taken up again from the error queue')
      core.journal.save()
      let { waiting, failed } = store.replayedFailed(replay)
      while (waiting > 0 && performance.now() < untilMs) {
        await delay(pollMs)
        ;({ waiting, failed } = store.replayedFailed(replay))
      }
      return { replayed: taken.length, settled: taken.length - waiting - failed, failed, waiting }
    },
    editErrors: ({ ids, filter, state, note, from }) => {
      const meant = chosen(ids, filter).map(({ id }) => id)
      const changed = store.editFailed(meant, { state, note, from })
      core.events.record('errors', 'entries of the error queue were edited', {
        reason: note,
        data: { keys: changed, state: state ?? null, from: from ?? null },
      })
      return changed
    },
  }
}

function filterOf(filter: ErrorsFilter, nowMs: number): FailedFilter {
  const { db, state, pattern, keyBase64, olderThanSeconds, newerThanSeconds } = filter
  return {
    db,
    state,
    pattern,
    failure: filter.class,
    key: keyBase64 === undefined ? undefined : Buffer.from(keyBase64, 'base64'),
    lastAtMax: olderThanSeconds === undefined ? undefined : nowMs - olderThanSeconds * 1000,
    lastAtMin: newerThanSeconds === undefined ? undefined : nowMs - newerThanSeconds * 1000,
  }
}
