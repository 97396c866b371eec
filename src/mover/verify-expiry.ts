/** When keys expire, compared between the two sides. */
import { isTemporaryKey } from '../dispatch/typed/temporary-key.ts'
import type { Finding } from './verify-finding.ts'
import type { Pair } from './verify-pair.ts'
import { verb } from './verify-requests.ts'

const remaining = verb('PTTL')

/** -1 = never expires; -2 = the key is gone meanwhile, which counts as a difference here and is found out in the next round. */
export function expiryDetail(pair: Pair, left: number, right: number): string | null {
  if (left === right) return null
  if (Number.isNaN(left) || Number.isNaN(right)) return 'the expiry may not be read'
  if (left >= 0 && right >= 0 && Math.abs(left - right) <= pair.ttlToleranceMs) return null
  const show = (value: number) => {
    if (value < 0) return value === -1 ? 'never' : 'gone'
    return pair.expiry === 'PTTL' ? `in ${value} ms` : new Date(value).toISOString()
  }
  return `expires ${show(left)} on the source, ${show(right)} on the target`
}

/**
 * The findings of keys that are absent on one side, without those that are due anyway: a key that is about to expire, and is gone on one
 * side already, does not differ. The remaining time is asked of the side that still has it: its clock is the one that counts.
 */
export async function withoutExpiring(pair: Pair, absent: readonly Finding[]): Promise<Finding[]> {
  const asked = async (kind: 'missing' | 'extra') => {
    const found = absent.filter((finding) => finding.kind === kind)
    const pipe = kind === 'missing' ? pair.source : pair.target
    const left = await pipe.perKey(
      [remaining],
      found.map(({ key }) => key),
    )
    // -2: gone on this side too by now. A copy that is under way, or was cut off, may have left a name of its own, which ends by itself.
    return found.filter(({ key }, index) => {
      const ms = Number(left[index])
      return ms === -1 || (ms > pair.ttlToleranceMs && !isTemporaryKey(key))
    })
  }
  const [missing, extra] = await Promise.all([asked('missing'), asked('extra')])
  return [...missing, ...extra]
}
