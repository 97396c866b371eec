/** One chunk of keys compared on both sides: payloads first, meaning where the bytes differ, then expiry. */
import { isTemporaryKey } from '../dispatch/typed/temporary-key.ts'
import { type Pair, Refused } from './verify-pair.ts'
import type { Reply } from './verify-pipe.ts'
import { eachInFlight, type SizedKey } from './verify-scan.ts'
import { compareStreams } from './verify-streams.ts'
import {
  compareHashes,
  compareLists,
  compareOpaque,
  compareSets,
  compareSortedSets,
  compareStrings,
  samePayload,
} from './verify-values.ts'

export interface Finding {
  readonly key: Buffer
  /** missing and extra: on the target, seen from the source. */
  readonly kind: 'missing' | 'extra' | 'type' | 'value' | 'ttl'
  readonly detail: string
}

/** PEXPIRETIME gives a moment, which does not depend on when it is asked; PTTL is for servers before 7.0. */
export type ExpiryVerb = 'PEXPIRETIME' | 'PTTL'

/** Above it no payload is asked for: the server would build it in one piece. */
const payloadBytesMax = 8 << 20
/** Comparisons by meaning side by side; each holds at most a window of elements. */
const deepInFlight = 32

/** The keys that differ now, in no certain order. A key that is about to expire, and is gone on one side already, does not differ. */
export async function compareChunk(pair: Pair, verb: ExpiryVerb, chunk: readonly SizedKey[]): Promise<Finding[]> {
  const findings: Finding[] = []
  const deep: SizedKey[] = chunk.filter((entry) => entry.sizeBytes > payloadBytesMax)
  const light = deep.length === 0 ? chunk : chunk.filter((entry) => entry.sizeBytes <= payloadBytesMax)
  const keys = light.map((entry) => entry.key)
  const [source, target] = await Promise.all([pair.source.perKey(['DUMP', verb], keys), pair.target.perKey(['DUMP', verb], keys)])
  const absent: Finding[] = []
  light.forEach((entry, index) => {
    const [left, right] = [source[index * 2], target[index * 2]]
    if (left === null || right === null) {
      if (left !== right) absent.push(absence(entry.key, right === null))
    } else if (Buffer.isBuffer(left) && Buffer.isBuffer(right) && samePayload(left, right)) {
      const finding = compareExpiry(pair, verb, entry.key, source[index * 2 + 1], target[index * 2 + 1])
      if (finding !== null) findings.push(finding)
    } else {
      deep.push(entry)
    }
  })
  if (deep.length > 0) await compareDeep(pair, verb, deep, findings, absent)
  for (const finding of await withoutExpiring(pair, absent)) findings.push(finding)
  return findings
}

const absence = (key: Buffer, onTarget: boolean): Finding =>
  onTarget
    ? { key, kind: 'missing', detail: 'only the source has this key' }
    : { key, kind: 'extra', detail: 'only the target has this key' }

async function compareDeep(
  pair: Pair,
  verb: ExpiryVerb,
  deep: SizedKey[],
  findings: Finding[],
  absent: Finding[],
): Promise<void> {
  const keys = deep.map((entry) => entry.key)
  const [source, target] = await Promise.all([pair.source.perKey(['TYPE', verb], keys), pair.target.perKey(['TYPE', verb], keys)])
  await eachInFlight(deep.entries(), deepInFlight, async ([index, entry]) => {
    const [left, right] = [String(source[index * 2]), String(target[index * 2])]
    if (left === 'none' || right === 'none') {
      if (left !== right) absent.push(absence(entry.key, right === 'none'))
    } else if (left !== right) {
      findings.push({ key: entry.key, kind: 'type', detail: `${left} on the source, ${right} on the target` })
    } else {
      const detail = await compareValue(pair, entry, left)
      const expiry = compareExpiry(pair, verb, entry.key, source[index * 2 + 1], target[index * 2 + 1])
      if (detail !== null) findings.push({ key: entry.key, kind: 'value', detail })
      else if (expiry !== null) findings.push(expiry)
    }
  })
}

async function compareValue(pair: Pair, { key, sizeBytes }: SizedKey, type: string): Promise<string | null> {
  try {
    switch (type) {
      case 'string':
        return await compareStrings(pair, key)
      case 'list':
        return await compareLists(pair, key, sizeBytes)
      case 'set':
        return await compareSets(pair, key, sizeBytes)
      case 'zset':
        return await compareSortedSets(pair, key, sizeBytes)
      case 'hash':
        return await compareHashes(pair, key, sizeBytes)
      case 'stream':
        return await compareStreams(pair, key, sizeBytes)
      default:
        return await compareOpaque(pair, key, type)
    }
  } catch (error) {
    if (error instanceof Refused) return `could not be compared: ${error.message}`
    throw error
  }
}

/** -1 = never expires; -2 = the key is gone meanwhile, which counts as a difference here and is found out in the next round. */
function compareExpiry(
  pair: Pair,
  verb: ExpiryVerb,
  key: Buffer,
  source: Reply | undefined,
  target: Reply | undefined,
): Finding | null {
  const [left, right] = [Number(source), Number(target)]
  if (left === right) return null
  if (left >= 0 && right >= 0 && Math.abs(left - right) <= pair.ttlToleranceMs) return null
  const show = (value: number) => {
    if (value < 0) return value === -1 ? 'never' : 'gone'
    return verb === 'PTTL' ? `in ${value} ms` : new Date(value).toISOString()
  }
  return { key, kind: 'ttl', detail: `expires ${show(left)} on the source, ${show(right)} on the target` }
}

/** The remaining time is asked of the side that still has the key: its clock is the one that counts. */
async function withoutExpiring(pair: Pair, absent: readonly Finding[]): Promise<Finding[]> {
  const asked = async (kind: 'missing' | 'extra') => {
    const keys = absent.filter((finding) => finding.kind === kind)
    const pipe = kind === 'missing' ? pair.source : pair.target
    const remaining = await pipe.perKey(
      ['PTTL'],
      keys.map((finding) => finding.key),
    )
    // -2: gone on this side too by now. A copy that is under way, or was cut off, may have left a name of its own, which ends by itself.
    return keys.filter(({ key }, index) => {
      const ms = Number(remaining[index])
      return ms === -1 || (ms > pair.ttlToleranceMs && !isTemporaryKey(key))
    })
  }
  const [missing, extra] = await Promise.all([asked('missing'), asked('extra')])
  return [...missing, ...extra]
}
