/** Latency, recorded in whole microseconds: a native histogram for exact percentiles, and power-of-two buckets for Prometheus. */
import { createHistogram } from 'node:perf_hooks'

/** A minute; whatever takes longer counts as that. */
const highestUs = 60_000_000
/** The narrowest bucket is 16 µs, the widest finite one 16.8 s. */
const firstExponent = 4
const lastExponent = 24

/** Upper bounds in µs, inclusive; the bucket for the rest comes after them. */
export const bucketBoundsUs: readonly number[] = Array.from(
  { length: lastExponent - firstExponent + 1 },
  (_, index) => 2 ** (firstExponent + index),
)

/** Eight buckets to a power of two. Values up to 8 µs have one each. */
const finePerPower = 8
/** Enough for `highestUs`. */
export const fineBuckets = (lastExponent + 1) * finePerPower

/** The largest value in µs that a fine bucket takes. */
export const boundOfUs = (bucket: number): number =>
  bucket < finePerPower ? bucket + 1 : (finePerPower + 1 + (bucket % finePerPower)) * 2 ** (Math.floor(bucket / finePerPower) - 1)

export interface LatencySnapshot {
  readonly count: number
  readonly meanUs: number
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
}

export class LatencyHistogram {
  readonly #native = createHistogram({ lowest: 1, highest: highestUs, figures: 3 })
  /** Counts since the process began, see boundOfUs; only to be read. */
  readonly fine = new Float64Array(fineBuckets)
  #sumUs = 0
  #count = 0

  /** `us` may be fractional; below 1 counts as 1. */
  record(us: number): void {
    const whole = us < 1 ? 1 : us > highestUs ? highestUs : us | 0
    this.#native.record(whole)
    // The first four bits of whole - 1, and how many follow: one less, so that a bucket ends with its bound.
    const from0 = whole - 1
    const shift = 28 - Math.clz32(from0)
    const bucket = shift <= 0 ? from0 : shift * finePerPower + (from0 >> shift)
    this.fine[bucket] = (this.fine[bucket] as number) + 1
    this.#sumUs += whole
    this.#count += 1
  }

  /** Since the last `reset`. All zero when nothing was recorded. */
  snapshot(): LatencySnapshot {
    const native = this.#native
    if (native.count === 0) return { count: 0, meanUs: 0, p50Us: 0, p90Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 }
    // The native one answers with the end of a bucket, which may lie above anything that was recorded.
    const at = (percentile: number): number => Math.min(native.percentile(percentile), highestUs)
    const [p50Us, p90Us, p99Us, p999Us, maxUs] = [at(50), at(90), at(99), at(99.9), at(100)]
    return { count: native.count, meanUs: native.mean, p50Us, p90Us, p99Us, p999Us, maxUs }
  }

  /** Begins a new window for `snapshot`; the buckets go on, since Prometheus wants them to only grow. */
  reset(): void {
    this.#native.reset()
  }

  /** Cumulative counts in the order of `bucketBoundsUs`, then count and sum of everything since the process began. */
  buckets(): { readonly cumulative: readonly number[]; readonly count: number; readonly sumUs: number } {
    const cumulative: number[] = []
    let below = 0
    let bucket = 0
    for (const boundUs of bucketBoundsUs) {
      for (; bucket < fineBuckets && boundOfUs(bucket) <= boundUs; bucket += 1) below += this.fine[bucket] as number
      cumulative.push(below)
    }
    return { cumulative, count: this.#count, sumUs: this.#sumUs }
  }
}

/** client: from the command's arrival to its reply; source, target: from sending to the answer; added: Ferry's own time per turn of the event loop. */
export const latencyKinds = ['client', 'source', 'target', 'added'] as const
export type LatencyKind = (typeof latencyKinds)[number]
export type Latencies = Readonly<Record<LatencyKind, LatencyHistogram>>

export function createLatencies(): Latencies {
  return {
    client: new LatencyHistogram(),
    source: new LatencyHistogram(),
    target: new LatencyHistogram(),
    added: new LatencyHistogram(),
  }
}
