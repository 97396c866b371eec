/** The status document, and the same facts as rows of INFO: read when asked for, kept nowhere. */
import type { SideStatus, StatusDocument, TrafficSettings } from '../control/schemas.ts'
import { blockersOf, nextStepsOf, type Step } from '../migration/blockers.ts'
import type { Side } from '../routing/modes.ts'
import { slotCount } from '../routing/slot.ts'
import { ferryVersion } from '../version.ts'
import type { Parts } from './parts.ts'

export function trafficOf({ migration }: Parts): TrafficSettings {
  const { readMode, writePolicy, readPercentage, ratioBy, tenants } = migration.record
  return { readMode, writePolicy, readPercentage, ratioBy, tenants: [...tenants] }
}

export function statusOf(parts: Parts): StatusDocument {
  const { core, migration, job, store, sessions } = parts
  const { record } = migration
  const { counters, journal, traffic, board } = core
  const situation = migration.situation()
  return {
    version: ferryVersion,
    phase: record.phase,
    state: record.state,
    strategy: record.strategy,
    authority: traffic.authority,
    traffic: trafficOf(parts),
    source: sideOf(parts, 'source'),
    target: sideOf(parts, 'target'),
    mover: job.snapshot(),
    journal: {
      dirtyKeys: journal.size,
      openHolds: board.openTickets,
      healed: counters.journal.heals,
      failed: store.countFailed(),
      resyncNeeded: journal.resyncReason,
    },
    besideKeys: parts.beside.last(),
    coveragePercent: (traffic.coveredSlots / slotCount) * 100,
    clients: sessions.size,
    commandsTotal: counters.commandsTotal,
    clientErrorsTotal: counters.clientErrorsTotal,
    divergencesTotal: counters.divergencesTotal,
    holdWaitMaxMs: counters.holds.waitMaxMs,
    verification: verificationOf(parts),
    blockers: [...blockersOf(nextStep(parts), situation), ...(traffic.mirrored ? adviceOf(parts) : [])],
    nextSteps: nextStepsOf(situation),
    uptimeSeconds: (Date.now() - parts.startedAtMs) / 1000,
  }
}

function verificationOf({ migration }: Parts): StatusDocument['verification'] {
  const { verifiedAt, verifiedDifferences } = migration.record
  const { ageMs, maxAgeMs } = migration.verification()
  return {
    at: verifiedAt,
    differences: verifiedDifferences,
    ageSeconds: ageMs === null ? null : Math.round(ageMs / 100) / 10,
    maxAgeSeconds: maxAgeMs === 0 ? null : maxAgeMs / 1_000,
  }
}

function adviceOf({ expiries, scripts }: Parts): string[] {
  const advice = expiries.problems().map(unseen)
  const { problem } = scripts.watch
  if (problem !== null)
    advice.push(
      `advice: keys that scripts do not declare are not seen (${problem}); run \`ferry verify --repair\` before a cut-over`,
    )
  return advice
}

const unseen = (problem: string): string =>
  `advice: expiries are not seen (${problem}); run \`ferry verify --repair\` before a cut-over`

function nextStep({ migration }: Parts): Step {
  const { phase } = migration.record
  if (phase === 'observe') return 'start'
  return phase === 'cutover' || phase === 'complete' ? 'complete' : 'cutover'
}

function sideOf({ lanes }: Parts, side: Side): SideStatus {
  const lane = lanes.lane(side)
  const known = lane.up || lane.lastError !== null
  return {
    state: lane.up && lane.admitted ? 'up' : known ? 'down' : 'startup',
    url: lane.endpoint.redacted,
    server: lane.up ? `${lane.server.family} ${lane.server.version}` : null,
    connections: lanes.connections(side),
    inFlight: lanes.inFlight(side),
    lastError: lane.lastError,
  }
}

export function infoRows(parts: Parts): readonly string[] {
  const status = statusOf(parts)
  return [
    `ferry_version:${status.version}`,
    `ferry_phase:${status.phase}`,
    `ferry_state:${status.state}`,
    `ferry_authority:${status.authority}`,
    `ferry_source:${status.source.state}`,
    `ferry_target:${status.target.state}`,
    `ferry_read_mode:${status.traffic.readMode}`,
    `ferry_read_percentage:${status.traffic.readPercentage}`,
    `ferry_write_policy:${status.traffic.writePolicy}`,
    `ferry_coverage_percent:${status.coveragePercent.toFixed(2)}`,
    `ferry_dirty_keys:${status.journal.dirtyKeys}`,
    `ferry_divergences:${status.divergencesTotal}`,
    `ferry_clients:${status.clients}`,
    `ferry_uptime_in_seconds:${Math.floor(status.uptimeSeconds)}`,
  ]
}
