/** The status document in words. */
import type { BesideKeys, MoverStatus, SideStatus, StatusDocument } from '../control/schemas.ts'
import type { Io } from './io.ts'
import { bar, bytes, count, duration, painter } from './output.ts'

const barWidth = 30

export function statusText(status: StatusDocument, io: Io): string {
  const paint = painter(io)
  const row = (name: string, text: string): string => `${paint('dim', name.padEnd(9))} ${text}`
  const { journal, verification } = status
  const strategy = status.strategy === null ? '' : ` (${status.strategy})`
  const verdict = verificationText(verification)
  return [
    `${paint('bold', `Ferry ${status.version}`)}  ${paint('cyan', status.phase)}, ${status.state.replace('_', ' ')}${strategy}, authority ${status.authority}, up ${duration(status.uptimeSeconds)}`,
    row('reads', readsText(status)),
    row('writes', status.traffic.writePolicy),
    row('mover', moverText(status.mover)),
    row('source', sideText(status.source, paint)),
    row('target', sideText(status.target, paint)),
    row(
      'journal',
      `${count(journal.dirtyKeys)} dirty keys, ${count(journal.openHolds)} open holds, ${count(journal.healed)} healed, ${count(journal.failed)} failed`,
    ),
    ...(journal.resyncNeeded === null ? [] : [row('', paint('red', `copy everything again: ${journal.resyncNeeded}`))]),
    row(
      'traffic',
      `${count(status.clients)} clients, ${count(status.commandsTotal)} commands, ${count(status.clientErrorsTotal)} errors of Ferry, ` +
        `${count(status.divergencesTotal)} divergences, longest hold ${status.holdWaitMaxMs.toFixed(1)} ms`,
    ),
    row('covered', `${status.coveragePercent.toFixed(1)} % of the key space`),
    row('verified', verdict),
    row('beside', besideText(status.besideKeys)),
    row('blockers', status.blockers.length === 0 ? 'none' : paint('yellow', status.blockers.join('; '))),
    ...(status.nextSteps.length === 0 ? [] : [row('next', status.nextSteps.join(', '))]),
  ].join('\n')
}

function besideText({ functions, users, settings }: BesideKeys): string {
  const text = (what: string, { differing }: BesideKeys['users']): string =>
    `${differing === null ? 'unknown' : count(differing)} ${what}`
  return `${text('function libraries', functions)} (copied), ${text('ACL users', users)} and ${text('settings', settings)} (\`ferry settings\` will) differ`
}

function verificationText({ at, differences, ageSeconds, maxAgeSeconds }: StatusDocument['verification']): string {
  const limit = maxAgeSeconds === null ? '' : `, wanted within ${duration(maxAgeSeconds)}`
  if (at === null) return `never${limit}`
  const age = ageSeconds === null ? 'out of date' : `began ${duration(ageSeconds)} ago`
  return `${at}: ${count(differences ?? 0)} differences, ${age}${limit}`
}

/** One line with what a reader of a log wants to see change. */
export function statusLine(status: StatusDocument): string {
  const { mover, traffic } = status
  return [
    `phase=${status.phase}`,
    `state=${status.state}`,
    `authority=${status.authority}`,
    `reads=${traffic.readMode}:${traffic.readPercentage}%`,
    `mover=${mover.state}:${Math.floor(moverShare(mover) * 100)}%`,
    `source=${status.source.state}`,
    `target=${status.target.state}`,
    `dirty=${status.journal.dirtyKeys}`,
    `failed=${status.journal.failed}`,
    `blockers=${status.blockers.length}`,
  ].join(' ')
}

export function moverText(mover: MoverStatus): string {
  const share = moverShare(mover)
  const parts = [
    `${bar(share, barWidth)} ${(share * 100).toFixed(1)} %`,
    `${mover.state}${mover.pass === null ? '' : ` (${mover.pass})`}`,
    `${count(mover.keysScanned)} of ${count(mover.keysTotal)} keys`,
    `${bytes(mover.bytesCopied)}`,
  ]
  if (mover.state === 'running') {
    parts.push(`${count(mover.keysPerSecond)} keys/s`, `${bytes(mover.bytesPerSecond)}/s`)
    if (mover.etaSeconds !== null) parts.push(`${duration(mover.etaSeconds)} left`)
  }
  if (mover.account.exported > 0) parts.push(`${count(mover.account.exported)} in the error queue`)
  if (mover.throttle !== null) parts.push(`throttled: ${mover.throttle}`)
  if (mover.lastError !== null) parts.push(mover.lastError)
  return parts.join(', ')
}

function moverShare({ keysTotal, keysScanned, state }: MoverStatus): number {
  if (state === 'done') return 1
  return keysTotal === 0 ? 0 : Math.min(1, keysScanned / keysTotal)
}

function readsText({ traffic }: StatusDocument): string {
  const { readMode, readPercentage, ratioBy } = traffic
  if (readMode === 'old') return `${bar(0, barWidth)} all from the source`
  if (readMode === 'new') return `${bar(1, barWidth)} all from the target`
  if (readMode === 'ratio') return `${bar(readPercentage / 100, barWidth)} ${readPercentage} % from the target, by ${ratioBy}`
  return `${readMode}: both sides are asked`
}

function sideText(side: SideStatus, paint: ReturnType<typeof painter>): string {
  const state = paint(side.state === 'up' ? 'green' : 'red', side.state)
  const error = side.state === 'up' || side.lastError === null ? '' : `, ${side.lastError}`
  return `${state}, ${side.url}${side.server === null ? '' : `, ${side.server}`}, ${count(side.inFlight)} in flight${error}`
}
