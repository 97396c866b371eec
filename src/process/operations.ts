/** What the control API may ask, answered by the parts. One line each, or it belongs elsewhere. */
import type { Operations } from '../control/operations.ts'
import type { MigrationAnswer } from '../control/schemas.ts'
import type { StepAnswer } from '../migration/migration.ts'
import { errorOperations } from './error-queue.ts'
import type { Parts } from './parts.ts'
import { statusOf, trafficOf } from './status.ts'
import type { Verifications } from './verifications.ts'

const recentDivergences = 50

export function operationsOf(parts: Parts, verifications: Verifications, closed: () => string | null): Operations {
  const { migration, job, core, lanes } = parts
  const answer = async (step: Promise<StepAnswer>): Promise<MigrationAnswer> => ({ ...(await step), status: statusOf(parts) })
  return {
    status: () => {
      void parts.beside.refresh()
      return statusOf(parts)
    },
    ready: () => {
      const reasons: string[] = []
      const reason = closed()
      if (reason !== null) reasons.push(reason)
      const authority = lanes.lane(core.traffic.authority)
      if (!authority.up) reasons.push(`${authority.side} is not reachable: ${authority.lastError ?? 'connecting'}`)
      return { ready: reasons.length === 0, reasons }
    },
    traffic: () => trafficOf(parts),
    setTraffic: async ({ reason, ...patch }) => {
      await migration.setTraffic(definedOnly(patch), reason)
      return trafficOf(parts)
    },
    start: (request) => answer(migration.start(request)),
    pause: (request) => answer(migration.pause(request)),
    resume: (request) => answer(migration.resume(request)),
    ramp: (request) => answer(migration.ramp(request)),
    cutover: (request) => answer(migration.cutover(request)),
    rollback: (request) => answer(migration.rollback(request)),
    complete: (request) => answer(migration.complete(request)),
    mover: () => job.snapshot(),
    setMover: (patch) => {
      job.setLimits(definedOnly(patch))
      core.events.record('mover', 'mover limits were set', { data: { ...definedOnly(patch) } })
      return job.snapshot()
    },
    moverStart: async (request) => {
      await migration.startMover(request)
      return job.snapshot()
    },
    moverPause: () => {
      job.pause()
      return job.snapshot()
    },
    moverResume: () => {
      job.resume()
      return job.snapshot()
    },
    moverStop: () => {
      migration.copying.stop()
      return job.snapshot()
    },
    ...errorOperations(parts),
    verify: async (request) => {
      // A repair removes and replaces keys as a copy does.
      if (request.repair && core.traffic.mirrored) migration.targetKeys.refuse()
      return verifications.start(request)
    },
    verification: (id) => verifications.report(id),
    stopVerification: (id) => verifications.stopOne(id),
    divergence: () => ({
      total: core.counters.divergencesTotal,
      byFamily: Object.fromEntries(core.counters.divergences),
      recent: core.events
        .since(0)
        .filter((event) => event.kind === 'divergence')
        .slice(-recentDivergences),
    }),
    events: (after, listener) => core.events.follow(after, listener),
  }
}

/** Zod leaves out what was not sent, but types it as possibly undefined. */
function definedOnly<T extends object>(patch: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
