/**
 * The comparison of two servers that nobody writes to any more: every key of either side in every database, by type, by value
 * (by meaning, where the same value can be stored in different ways) and by time to live. It is the demo's own and knows nothing
 * of Ferry: an outside check must not share the code of what it checks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { InFlight } from './in-flight.ts'
import { type Argument, RawConnection, type Reply } from './raw-connection.ts'
import { readValue, sameMeaning } from './value.ts'

const scanCount = 2000
const batchKeys = 500
const batchesInFlight = 4
/** Keys that differ are looked at again: one that is running out may be gone on one side a moment before the other. */
const recheckPausesMs = [300, 1500]
const samplesMax = 20

export type DifferenceKind = 'missing' | 'extra' | 'type' | 'value' | 'ttl'

export interface KeyDifference {
  readonly db: number
  /** Latin-1, so that any bytes survive. */
  readonly key: string
  readonly kind: DifferenceKind
  readonly detail: string
}

export interface Comparison {
  readonly keysCompared: number
  /** All kinds together. missing and extra are the target's, seen from the source. */
  readonly differences: number
  readonly missing: number
  readonly extra: number
  readonly ttlDifferences: number
  readonly samples: readonly KeyDifference[]
}

interface Pair {
  readonly source: RawConnection
  readonly target: RawConnection
}

const leftover = /^ferry:copy:\{.*\}:[0-9a-f]{12}:\d+$/s
const leftoverMsMax = 60_000

export async function compareServers(sourcePort: number, targetPort: number, ttlToleranceMs = 1000): Promise<Comparison> {
  const pair: Pair = { source: await RawConnection.open(sourcePort), target: await RawConnection.open(targetPort) }
  try {
    const found: KeyDifference[][] = []
    let keysCompared = 0
    for (const db of await databases(pair)) {
      await Promise.all([pair.source.command('SELECT', db), pair.target.command('SELECT', db)])
      const keys = new Set([...(await allKeys(pair.source)), ...(await allKeys(pair.target))])
      keysCompared += keys.size
      found.push(await compareDatabase(pair, db, [...keys], ttlToleranceMs))
    }
    return summarize(keysCompared, found.flat())
  } finally {
    pair.source.close()
    pair.target.close()
  }
}

function summarize(keysCompared: number, found: readonly KeyDifference[]): Comparison {
  const count = (kind: DifferenceKind) => found.filter((difference) => difference.kind === kind).length
  return {
    keysCompared,
    differences: found.length,
    missing: count('missing'),
    extra: count('extra'),
    ttlDifferences: count('ttl'),
    samples: found.slice(0, samplesMax),
  }
}

async function databases({ source, target }: Pair): Promise<number[]> {
  const texts = await Promise.all([source.command('INFO', 'keyspace'), target.command('INFO', 'keyspace')])
  const numbers = texts.flatMap((text) => [...String(text).matchAll(/^db(\d+):/gm)].map((match) => Number(match[1])))
  return [...new Set(numbers)].sort((left, right) => left - right)
}

async function allKeys(connection: RawConnection): Promise<string[]> {
  const keys: string[] = []
  let cursor = '0'
  do {
    const [next, page] = (await connection.command('SCAN', cursor, 'COUNT', scanCount)) as [Buffer, Buffer[]]
    for (const key of page) keys.push(key.toString('latin1'))
    cursor = next.toString()
  } while (cursor !== '0')
  return keys
}

async function compareDatabase(
  pair: Pair,
  db: number,
  keys: readonly string[],
  ttlToleranceMs: number,
): Promise<KeyDifference[]> {
  let found = await compareKeys(pair, db, keys, ttlToleranceMs)
  for (const pauseMs of recheckPausesMs) {
    if (found.length === 0) break
    await sleep(pauseMs)
    const again = found.map(({ key }) => key)
    found = await compareKeys(pair, db, again, ttlToleranceMs)
  }
  return found
}

async function compareKeys(pair: Pair, db: number, keys: readonly string[], ttlToleranceMs: number): Promise<KeyDifference[]> {
  const found: KeyDifference[] = []
  const inFlight = new InFlight<KeyDifference[]>(batchesInFlight, (differences) => found.push(...differences))
  for (let start = 0; start < keys.length; start += batchKeys) {
    await inFlight.add(compareBatch(pair, db, keys.slice(start, start + batchKeys), ttlToleranceMs))
  }
  await inFlight.drain()
  return found
}

/** Equal DUMP payloads mean equal values, and that is nearly all keys. The rest is read in full by type. */
async function compareBatch(pair: Pair, db: number, keys: readonly string[], ttlToleranceMs: number): Promise<KeyDifference[]> {
  const commands: Argument[][] = keys.flatMap((key) => [
    ['DUMP', key],
    ['PTTL', key],
  ])
  const [sourceReplies, targetReplies] = await Promise.all([pair.source.batch(commands), pair.target.batch(commands)])
  const found: KeyDifference[] = []
  for (const [position, key] of keys.entries()) {
    const source = { dump: sourceReplies[position * 2], ttlMs: Number(sourceReplies[position * 2 + 1]) }
    const target = { dump: targetReplies[position * 2], ttlMs: Number(targetReplies[position * 2 + 1]) }
    if (source.dump === null && isLeftover(key, target.ttlMs)) continue
    const difference =
      (await compareValues(pair, key, source.dump, target.dump)) ?? compareTtls(source.ttlMs, target.ttlMs, ttlToleranceMs)
    if (difference) found.push({ db, key, ...difference })
  }
  return found
}

/** What a copy that was cut off leaves on the side that it wrote to; it ends by itself. */
const isLeftover = (key: string, ttlMs: number): boolean => leftover.test(key) && ttlMs >= 0 && ttlMs <= leftoverMsMax

type Finding = Pick<KeyDifference, 'kind' | 'detail'>

async function compareValues(pair: Pair, key: string, source?: Reply, target?: Reply): Promise<Finding | null> {
  if (source === null && target === null) return null
  if (target === null) return { kind: 'missing', detail: 'the target does not have it' }
  if (source === null) return { kind: 'extra', detail: 'the source does not have it' }
  if (Buffer.isBuffer(source) && Buffer.isBuffer(target) && source.equals(target)) return null
  const [onSource, onTarget] = await Promise.all([readValue(pair.source, key), readValue(pair.target, key)])
  if (onSource.type !== onTarget.type)
    return { kind: 'type', detail: `${onSource.type} on the source, ${onTarget.type} on the target` }
  const detail = sameMeaning(onSource, onTarget)
  return detail === null ? null : { kind: 'value', detail: `${onSource.type}: ${detail}` }
}

function compareTtls(sourceMs: number, targetMs: number, toleranceMs: number): Finding | null {
  const bothForever = sourceMs === -1 && targetMs === -1
  const detail = `${sourceMs} ms on the source, ${targetMs} ms on the target`
  if (bothForever || (sourceMs === -2 && targetMs === -2)) return null
  if (sourceMs === -1 || targetMs === -1) return { kind: 'ttl', detail }
  return Math.abs(Math.max(sourceMs, 0) - Math.max(targetMs, 0)) <= toleranceMs ? null : { kind: 'ttl', detail }
}
