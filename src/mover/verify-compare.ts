/**
 * Keys compared on both sides, by whatever is cheapest first, and by meaning where that does not prove them equal. Small strings are read
 * as they are, which no digest is cheaper than. Of everything else both sides are asked for type and size before anything of it is read;
 * then payloads or digests of them; values above a limit, and what differs, are read in windows.
 */
import type { Reply } from '../resp/decode.ts'
import { expiryDetail, withoutExpiring } from './verify-expiry.ts'
import { absence, type Finding } from './verify-finding.ts'
import { type Pair, Refused } from './verify-pair.ts'
import { Payloads, payloadBytesMax } from './verify-payloads.ts'
import { verb } from './verify-requests.ts'
import { eachInFlight } from './verify-scan.ts'
import { compareStreams } from './verify-streams.ts'
import { lookAtStrings } from './verify-strings.ts'
import type { Look, Tally } from './verify-tally.ts'
import { compareHashes, compareLists, compareOpaque, compareSets, compareSortedSets, compareStrings } from './verify-values.ts'

interface SizedKey {
  readonly key: Buffer
  readonly type: string
  /** In the memory of the larger side; an estimate. 0 = unknown: MEMORY USAGE is not everywhere. */
  readonly sizeBytes: number
}

/** What one chunk of payloads may hold on each side. */
const chunkBytes = 2 << 20
/** Comparisons by meaning side by side, of one batch; each holds at most a window of elements, of the larger ones about a megabyte. */
const deepInFlight = 32
const deepLargeInFlight = 4
const deepLargeBytes = 64 << 10
/** After so many batches of nothing but strings, and twice as many after each mistake, the next are taken for strings unasked. */
const stringBatches = 3
const stringBatchesMax = 1_000

const typeVerb = verb('TYPE')
const sizeVerbs = [typeVerb, verb('MEMORY USAGE')]

/** Of one batch, as it fills. */
interface Results {
  readonly findings: Finding[]
  readonly absent: Finding[]
  readonly tally: Tally
}

export class Comparison {
  readonly #pair: Pair
  readonly #payloads: Payloads
  /** Batches in a row that held strings only, and how many it takes until that is expected. A wrong guess shows in a server's errors. */
  #stringsInARow = 0
  #stringsWanted = stringBatches
  /** The user may not read ranges. */
  #stringsRefused = false

  constructor(pair: Pair) {
    this.#pair = pair
    this.#payloads = new Payloads(pair)
  }

  /** The keys that differ now, in no certain order. Keys that are on neither side do not count as compared. */
  async compare(keys: readonly Buffer[], tally: Tally): Promise<Finding[]> {
    const results: Results = { findings: [], absent: [], tally }
    const rest = await this.#compareStrings(keys, results)
    if (rest.length > 0) await this.#compareRest(rest, results)
    results.findings.push(...(await withoutExpiring(this.#pair, results.absent)))
    return results.findings
  }

  async #compareStrings(keys: readonly Buffer[], results: Results): Promise<readonly Buffer[]> {
    if (this.#stringsRefused) return keys
    const guessed = this.#stringsInARow >= this.#stringsWanted
    const { strings, others } = guessed ? { strings: keys, others: [] } : await this.#byType(keys)
    if (strings.length === 0) return others
    const look = await lookAtStrings(this.#pair, strings)
    this.#learn(guessed, others.length, strings.length, look.refused)
    results.tally.compared('string', 'bytes', look.equal + look.findings.length)
    results.tally.compared('string', null, look.absent.length)
    results.findings.push(...look.findings)
    results.absent.push(...look.absent)
    const unequal = look.unequal.map((key) => ({ key, type: 'string', sizeBytes: 1 }))
    await this.#compareByValue(unequal, results)
    return others.length === 0 ? look.rest : [...others, ...look.rest]
  }

  #learn(guessed: boolean, others: number, strings: number, refused: number): void {
    if (refused === strings && !guessed) this.#stringsRefused = true
    if (guessed && refused > 0) {
      this.#stringsInARow = 0
      this.#stringsWanted = Math.min(stringBatchesMax, this.#stringsWanted * 2)
    } else if (!guessed) this.#stringsInARow = others === 0 && refused === 0 ? this.#stringsInARow + 1 : 0
  }

  async #byType(keys: readonly Buffer[]): Promise<{ strings: Buffer[]; others: Buffer[] }> {
    const types = await this.#pair.source.perKey([typeVerb], keys)
    const strings: Buffer[] = []
    const others: Buffer[] = []
    for (const [index, key] of keys.entries()) (String(types[index]) === 'string' ? strings : others).push(key)
    return { strings, others }
  }

  async #compareRest(keys: readonly Buffer[], results: Results): Promise<void> {
    const deep: SizedKey[] = []
    for (const chunk of chunksOf(await this.#sized(keys, results), deep)) {
      const strings = chunk[0]?.type === 'string'
      const sizeBytes = chunk.reduce((sum, entry) => sum + entry.sizeBytes, 0)
      const look = await this.#payloads.look(
        chunk.map(({ key }) => key),
        strings,
        sizeBytes,
      )
      const by = look.way === 'payload' && strings ? 'bytes' : look.way
      chunk.forEach((entry, index) => {
        const [left, right] = look.expiries[index] as readonly [number, number]
        if (look.same[index]) this.#judgeExpiry(entry, left, right, by, results)
        else deep.push(entry)
      })
    }
    await this.#compareByValue(deep, results)
  }

  /** Types and sizes of the keys that are of one type on both sides; the others are findings. */
  async #sized(keys: readonly Buffer[], results: Results): Promise<SizedKey[]> {
    const [source, target] = await Promise.all([
      this.#pair.source.perKey(sizeVerbs, keys),
      this.#pair.target.perKey(sizeVerbs, keys),
    ])
    const sized: SizedKey[] = []
    keys.forEach((key, index) => {
      const [left, right] = [String(source[index * 2]), String(target[index * 2])]
      const type = left === 'none' ? right : left
      if (left === right) {
        const sizeBytes = sizeOf(source[index * 2 + 1], target[index * 2 + 1])
        if (left !== 'none') sized.push({ key, type, sizeBytes })
        return
      }
      results.tally.compared(type, null)
      if (left === 'none' || right === 'none') results.absent.push(absence(key, type, right === 'none'))
      else results.findings.push({ key, type, kind: 'type', detail: `${left} on the source, ${right} on the target` })
    })
    return sized
  }

  async #compareByValue(entries: readonly SizedKey[], results: Results): Promise<void> {
    const large = (entry: SizedKey) => entry.sizeBytes === 0 || entry.sizeBytes > deepLargeBytes
    const one = (entry: SizedKey) => this.#compareOne(entry, results)
    await eachInFlight(
      entries.filter((entry) => !large(entry)),
      deepInFlight,
      one,
    )
    await eachInFlight(entries.filter(large), deepLargeInFlight, one)
  }

  async #compareOne(entry: SizedKey, results: Results): Promise<void> {
    const { key, type } = entry
    const detail = await this.#valueDetail(entry)
    const expiries = [[this.#pair.expiry, key]]
    const [[left], [right]] = (await Promise.all([this.#pair.source.callAll(expiries), this.#pair.target.callAll(expiries)])) as [
      Reply[],
      Reply[],
    ]
    // Where one of them is gone by now that is what is told, not how a value differs from none.
    if (detail === null || Number(left) === -2 || Number(right) === -2) {
      this.#judgeExpiry(entry, Number(left), Number(right), 'value', results)
      return
    }
    results.tally.compared(type, 'value')
    results.findings.push({ key, type, kind: 'value', detail })
  }

  #judgeExpiry({ key, type }: SizedKey, left: number, right: number, look: Look, { findings, absent, tally }: Results): void {
    if (left === -2 && right === -2) return
    tally.compared(type, look)
    if (left === -2 || right === -2) {
      absent.push(absence(key, type, right === -2))
      return
    }
    const detail = expiryDetail(this.#pair, left, right)
    if (detail !== null) findings.push({ key, type, kind: 'ttl', detail })
  }

  async #valueDetail({ key, type, sizeBytes }: SizedKey): Promise<string | null> {
    const pair = this.#pair
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
          return await compareOpaque(pair, key, type, sizeBytes)
      }
    } catch (error) {
      if (error instanceof Refused) return `could not be compared: ${error.message}`
      throw error
    }
  }
}

/** An answer that is no number (no such key any more, no such command) makes the size unknown where the other side has none either. */
function sizeOf(...answers: (Reply | undefined)[]): number {
  let size = 0
  for (const answer of answers) if (typeof answer === 'number' && answer > size) size = answer
  return size
}

/** Strings apart from the rest; what is too large for a payload, or of unknown size, goes to `deep`. */
function chunksOf(entries: readonly SizedKey[], deep: SizedKey[]): SizedKey[][] {
  const chunks: SizedKey[][] = []
  const open: Record<'strings' | 'others', { chunk: SizedKey[]; bytes: number }> = {
    strings: { chunk: [], bytes: 0 },
    others: { chunk: [], bytes: 0 },
  }
  for (const entry of entries) {
    if (entry.sizeBytes === 0 || entry.sizeBytes > payloadBytesMax) {
      deep.push(entry)
      continue
    }
    const kind = entry.type === 'string' ? 'strings' : 'others'
    let current = open[kind]
    if (current.chunk.length === 0 || current.bytes + entry.sizeBytes > chunkBytes) {
      current = { chunk: [], bytes: 0 }
      open[kind] = current
      chunks.push(current.chunk)
    }
    current.chunk.push(entry)
    current.bytes += entry.sizeBytes
  }
  return chunks
}
