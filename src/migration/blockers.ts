/** What stands in the way of a step: pure, so that a dry run and the step itself can never disagree. */
import type { Phase } from '../routing/modes.ts'

export interface Situation {
  readonly phase: Phase
  readonly covered: boolean
  readonly resyncReason: string | null
  readonly dirtyKeys: number
  readonly failedKeys: number
  /** Why the target may lack functions that the source has, or null. */
  readonly functionProblem: string | null
  /** Which databases of the source have no place on the target, or null. */
  readonly databaseProblem: string | null
  /** Why the target is not to be copied to, or null: it has keys of somebody else's. */
  readonly targetKeysProblem: string | null
  readonly sourceUp: boolean
  readonly targetUp: boolean
  readonly moverRunning: boolean
  readonly paused: boolean
  readonly verification: {
    /** 0 = verifications hold nothing back. */
    readonly maxAgeMs: number
    /** Since it began; null = there is none that counts. */
    readonly ageMs: number | null
    /** What it left. */
    readonly differences: number
    /** There is one, but much was in doubt since. */
    readonly outdated: boolean
  }
}

export type Step = 'start' | 'ramp' | 'cutover' | 'complete'

/** The barrier of a flip heals what is left itself; more than this would make clients wait. */
export const flipDirtyKeysMax = 2_000

const allowedFrom: Readonly<Record<Step, readonly Phase[]>> = {
  start: ['observe'],
  ramp: ['mirror', 'canary'],
  cutover: ['mirror', 'canary'],
  complete: ['cutover'],
}

export function wrongPhase(step: Step, phase: Phase): string | null {
  const allowed = allowedFrom[step]
  return allowed.includes(phase) ? null : `${step} needs phase ${allowed.join(' or ')}, this is ${phase}`
}

/** In the order in which a person would deal with them. */
export function blockersOf(step: Step, now: Situation): string[] {
  const blockers: string[] = []
  if (now.paused) blockers.push('the migration is paused: resume it first')
  if (!now.targetUp) blockers.push('the target is not reachable')
  if (!now.sourceUp && step !== 'complete') blockers.push('the source is not reachable')
  if (now.databaseProblem !== null && step !== 'complete') blockers.push(now.databaseProblem)
  // Where everything is copied, what was there is not any more.
  const copies = step === 'start' || (step !== 'complete' && !now.covered)
  if (copies && now.targetKeysProblem !== null) blockers.push(now.targetKeysProblem)
  const unverified = verificationProblem(now)
  // A canary reads what it has just copied, long before everything could be verified.
  if (step === 'ramp' && now.covered && unverified !== null) blockers.push(unverified)
  if (step === 'start' || step === 'ramp') return blockers
  if (now.resyncReason !== null) blockers.push(`the whole data set has to be copied again: ${now.resyncReason}`)
  else if (!now.covered) blockers.push('not every key is copied yet: start the mover and let it finish')
  if (now.failedKeys > 0) blockers.push(`${now.failedKeys} keys could not be copied: see \`ferry errors list\`, then replay them`)
  if (now.functionProblem !== null) blockers.push(`functions may not be the same on both sides: ${now.functionProblem}`)
  if (now.dirtyKeys > flipDirtyKeysMax) blockers.push(`${now.dirtyKeys} keys are waiting to be healed`)
  // A source that is gone for good cannot be compared with any more.
  if (unverified !== null && (step !== 'complete' || now.sourceUp)) blockers.push(unverified)
  return blockers
}

function verificationProblem({ verification }: Situation): string | null {
  const { maxAgeMs, ageMs, differences, outdated } = verification
  if (maxAgeMs === 0) return null
  const limit = `gates.verificationMaxAgeMs allows ${secondsOf(maxAgeMs)} s`
  if (outdated) return `more than single keys were in doubt since the last verification began: run \`ferry verify\` (${limit})`
  if (ageMs === null) return `the two sides were never verified in full: run \`ferry verify\` (${limit})`
  if (differences > 0) return `the last verification left ${differences} differences: run \`ferry verify --repair\``
  if (ageMs <= maxAgeMs) return null
  return `the last verification began ${secondsOf(ageMs)} s ago, ${limit}: run \`ferry verify\``
}

const secondsOf = (ms: number): string => String(Math.round(ms / 100) / 10)

export function nextStepsOf(now: Situation): string[] {
  switch (now.phase) {
    case 'observe':
      return ['start: write to both sides']
    case 'mirror':
      if (now.moverRunning) return ['wait for the mover']
      return now.covered
        ? ['verify', 'ramp: read from the target', 'cutover']
        : ['mover start: copy what is there', 'ramp: copy and read in step']
    case 'canary':
      return ['ramp further', 'verify', 'cutover', 'rollback']
    case 'cutover':
      return ['verify', 'complete: leave the source alone', 'rollback: nothing is lost']
    case 'complete':
      return ['point the application at the target; Ferry can be removed']
  }
}
