/**
 * How fast the mover may go by what live traffic feels: additive increase, multiplicative decrease, with a memory of where it was too much.
 * Pure: a decision follows from the signals, the limits and the decision before it, four times a second.
 */
import type { ThrottleLimits } from '../throttle-limits.ts'
import { readingsOf, type Signals } from './throttle-signals.ts'

export const decisionEveryMs = 250
/** As slow as it gets before it rests: some thousand small keys a second still, a few dozen at a time. */
export const factorMin = 1 / 32
/** Where it begins under live traffic, of which nobody knows yet what it can bear. */
const factorAtFirst = 1 / 16
/** What is measured looks back so far: a decision shows in it only then. */
export const windowDecisions = 4
/** Below this share of its limit a signal lets the mover go faster; between this and the limit it stays as it is. */
const calmBelow = 0.85
/** So far above a limit even the slowest copy is too much. */
const restAbove = 4
/** What is added per decision: far from where it was too much, near it at least, and where there is no live traffic. */
const steps = { far: 1 / 16, near: 1 / 128, alone: 1 / 4 } as const
/** Near it, and above: so much of the present speed, where that is more. */
const nearShare = 1 / 16
/** How fast it is forgotten where it was too much. */
const ceilingStep = 1 / 512
/** How long it waits at most to learn what live traffic feels without it. */
const listensMax = 8

export interface Decision {
  /** Share of full speed; 0 = rest. */
  readonly factor: number
  /** Why not faster: what is above its limit now. */
  readonly reasons: readonly string[]
  /** The last reasons there were. */
  readonly because: readonly string[]
  /** What pauses the mover until it is resumed. */
  readonly critical: string | null
  /** The factor that was too much the last time. */
  readonly ceiling: number
  /** Decisions to wait until the last change can be seen. */
  readonly settling: number
  /** Decisions for which it has been critical without a break. */
  readonly hot: number
  readonly listened: number
}

const listening = 'waiting to learn what clients feel without the mover'
const careful = 'it begins slowly beside live traffic'

export const fullSpeed: Decision = {
  factor: 1,
  reasons: [],
  because: [],
  critical: null,
  ceiling: 1,
  settling: 0,
  hot: 0,
  listened: 0,
}

/** The decision with which a copy begins. */
export function firstDecision(signals: Signals): Decision {
  return signals.clientP99Ms === null ? fullSpeed : { ...fullSpeed, factor: factorAtFirst, because: [careful] }
}

export function decide(signals: Signals, limits: ThrottleLimits, before: Decision): Decision {
  const readings = readingsOf(signals, limits)
  const over = readings.filter(({ ratio }) => ratio > 1)
  const reasons = over.map(({ text }) => text)
  const severe = readings.find(({ critical }) => critical)
  const hot = severe === undefined ? 0 : before.hot + 1
  const critical = severe !== undefined && hot * decisionEveryMs >= limits.criticalSeconds * 1000 ? severe.text : null
  const base = { ...before, reasons, because: reasons.length > 0 ? reasons : before.because, critical, hot }
  if (over.some(({ stops }) => stops)) return { ...base, factor: 0, settling: 0 }
  if (over.length > 0) return slower(base, Math.max(...over.map(({ ratio }) => ratio)))
  if (mustListen(signals, limits, before)) {
    return { ...base, factor: 0, reasons: [listening], because: [careful], listened: before.listened + 1, ceiling: factorAtFirst }
  }
  const worst = Math.max(0, ...readings.map(({ ratio }) => ratio))
  return worst > calmBelow ? { ...base, factor: atLeastSlow(base.factor) } : faster(base, signals.clientP99Ms === null)
}

function mustListen({ clientP99Ms, restingP99Ms }: Signals, { clientP99TimesMax }: ThrottleLimits, before: Decision): boolean {
  return clientP99TimesMax > 0 && clientP99Ms !== null && restingP99Ms === null && before.listened < listensMax
}

const atLeastSlow = (factor: number): number => Math.max(factorMin, factor)

function slower(base: Decision, ratio: number): Decision {
  if (base.settling > 0) return { ...base, settling: base.settling - 1 }
  const settling = windowDecisions
  // At rest already: it was not the mover, or not it alone. Only where it is far too much does it go on resting.
  if (base.factor === 0) return ratio > restAbove ? base : { ...base, factor: factorMin, settling }
  if (base.factor <= factorMin) return { ...base, factor: 0, settling }
  const factor = atLeastSlow(base.factor * (ratio > 2 ? 0.25 : 0.5))
  return { ...base, factor, ceiling: base.factor, settling }
}

function faster(base: Decision, alone: boolean): Decision {
  const settling = Math.max(0, base.settling - 1)
  if (alone) return rise({ ...base, settling: 0, ceiling: 1 }, steps.alone)
  if (settling > 0) return { ...base, settling, factor: atLeastSlow(base.factor) }
  return rise({ ...base, settling, ceiling: Math.min(1, base.ceiling + ceilingStep) }, stepOf(base))
}

/** Quickly to half of what was too much, then with care. */
const stepOf = ({ factor, ceiling }: Decision): number =>
  factor < ceiling / 2 ? Math.min(steps.far, ceiling / 4) : Math.max(steps.near, factor * nearShare)

function rise(base: Decision, step: number): Decision {
  const factor = Math.min(1, atLeastSlow(base.factor + step))
  return factor === 1 ? { ...base, factor, because: [] } : { ...base, factor }
}

/** What a factor means for the copy. */
export interface Shape {
  readonly batchKeys: number
  readonly batchBytes: number
  readonly batchesInFlight: number
  /** How long to rest after a batch, as a multiple of how long it took. */
  readonly restTimes: number
}

/** A batch this small is a hiccup to nobody. */
const smallestBatch = { keys: 32, bytes: 65_536 } as const
/** Below this factor there are rests between batches. */
const restsBelow = 1 / 8

/** Smaller batches, fewer at a time, then rests between them. `factor` above 0. */
export function shapeOf(
  factor: number,
  full: { readonly batchKeys: number; readonly batchBytes: number; readonly batchesInFlight: number },
): Shape {
  const share = Math.min(1, factor * 2)
  const scaled = (most: number, least: number): number => Math.min(most, Math.max(least, Math.round(most * share)))
  return {
    batchKeys: scaled(full.batchKeys, smallestBatch.keys),
    batchBytes: scaled(full.batchBytes, smallestBatch.bytes),
    batchesInFlight: scaled(full.batchesInFlight, 1),
    restTimes: factor < restsBelow ? restsBelow / factor - 1 : 0,
  }
}

/** For status; null at full speed. */
export function throttleText({ factor, reasons, because }: Decision): string | null {
  if (reasons.length > 0) return reasons.join('; ')
  if (factor === 1) return null
  return `${Math.round(factor * 1000) / 10} % of full speed after ${because.join('; ')}`
}
