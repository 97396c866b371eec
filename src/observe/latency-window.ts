/** The last few moments of a latency that is recorded anyway: what was added to its buckets since, so that many may look, each at its own pace. */
import { boundOfUs, fineBuckets, type LatencyHistogram } from './histograms.ts'

export class LatencyWindow {
  readonly #histogram: LatencyHistogram
  readonly #last: Float64Array
  readonly #samples: Float64Array[]
  readonly #sum = new Float64Array(fineBuckets)
  #at = 0

  /** `samples`: how many calls of `advance` the window is long. */
  constructor(histogram: LatencyHistogram, samples: number) {
    this.#histogram = histogram
    this.#last = Float64Array.from(histogram.fine)
    this.#samples = Array.from({ length: samples }, () => new Float64Array(fineBuckets))
  }

  /** Takes in what was recorded since the last call, and lets go of the oldest. The answer is the window's own, and good until its turn comes again. */
  advance(): Float64Array {
    const { fine } = this.#histogram
    const sample = this.#samples[this.#at] as Float64Array
    this.#at = (this.#at + 1) % this.#samples.length
    for (let i = 0; i < fineBuckets; i++) {
      const now = fine[i] as number
      const added = now - (this.#last[i] as number)
      this.#sum[i] = (this.#sum[i] as number) + added - (sample[i] as number)
      sample[i] = added
      this.#last[i] = now
    }
    return sample
  }

  get count(): number {
    return countOf(this.#sum)
  }

  /** Null for a window with fewer than `countMin` values. At most an eighth above the true one. */
  p99Ms(countMin: number): number | null {
    return this.count < countMin ? null : percentileMs(this.#sum, 0.99)
  }
}

export function countOf(buckets: Float64Array): number {
  let count = 0
  for (let i = 0; i < buckets.length; i++) count += buckets[i] as number
  return count
}

/** The upper end of the bucket in which that share of the values is reached; 0 for no values. `share` above 0, up to 1. */
export function percentileMs(buckets: Float64Array, share: number): number {
  let left = countOf(buckets) * share
  for (let i = 0; i < buckets.length; i++) {
    const count = buckets[i] as number
    left -= count
    if (count > 0 && left <= 0) return boundOfUs(i) / 1000
  }
  return 0
}
