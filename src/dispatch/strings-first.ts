/**
 * Batches that hold next to nothing but strings, as most data sets do: each key is asked for the first part of its string and for its expiry,
 * which costs a server no more than DUMP and its expiry, and can never be a long command. What is no string, or a longer one, is refused or
 * seen to be so, and is read as usual. Any other batch has to be asked first which of its values are long.
 */
import { CommandWriter } from '../resp/command-writer.ts'
import { ReplyCursor } from '../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'
import { exchange, momentOf, type Payload, relativeOnly } from './key-transfer.ts'
import { askStart, wholeStringBytes } from './typed/strings.ts'

/** So many strings have to come by before the next batch is taken for one of strings. */
const enough = 512
/** Of these at most one in so many may be something else. */
const fewest = 100

interface Mix {
  strings: number
  others: number
  /** The lane's user may not read strings like this. */
  isRefused: boolean
}

const mixes = new WeakMap<Lane, Mix>()

function mixOf(lane: Lane): Mix {
  const known = mixes.get(lane)
  if (known !== undefined) return known
  const mix = { strings: 0, others: 0, isRefused: false }
  mixes.set(lane, mix)
  return mix
}

export function isMostlyStrings(lane: Lane): boolean {
  const { strings, others, isRefused } = mixOf(lane)
  return !isRefused && strings >= enough && others * fewest <= strings
}

/** Learns from values that were read in another way. */
export function noteMix(lane: Lane, payloads: readonly Payload[]): void {
  const mix = mixOf(lane)
  for (const { bytes, typed } of payloads) {
    const sizeBytes = bytes?.length ?? typed?.sizeBytes ?? 0
    // One that would be read as far as its first part, only to be read again, is as bad as no string.
    if (sizeBytes < wholeStringBytes && (bytes !== null ? bytes[0] === 0 : typed?.kind === 'string')) mix.strings++
    else if (bytes !== null || typed !== null) mix.others++
  }
  // The latest count more.
  if (mix.strings + mix.others > 20 * enough) {
    mix.strings /= 2
    mix.others /= 2
  }
}

/** `others`: what has to be read as usual. Rejects with TransferLost. */
export async function readStrings(
  lane: Lane,
  db: number,
  keys: readonly Buffer[],
): Promise<{ payloads: Payload[]; others: Buffer[] }> {
  const mix = mixOf(lane)
  const relative = relativeOnly.has(lane)
  const verb = Buffer.from(relative ? 'PTTL' : 'PEXPIRETIME')
  const out = new CommandWriter(keys.reduce((sum, key) => sum + 2 * key.length + 96, 64))
  for (const key of keys) {
    askStart(out, key)
    out.begin(2).add(verb).add(key)
  }
  const replies = new ReplyCursor(await exchange(lane, contextOf(2, db), out.commands, (to) => out.writeTo(to)))
  const clockMs = relative ? Date.now() + lane.clockOffsetMs : 0
  const payloads: Payload[] = []
  const others: Buffer[] = []
  for (const key of keys) {
    const refusal = replies.error()
    const bytes = refusal === null ? replies.bulk() : null
    const unsaid = replies.error()
    const saidMs = unsaid === null ? replies.integer() : -1
    if (refusal !== null && !refusal.startsWith('WRONGTYPE')) mix.isRefused = true
    if (refusal !== null || unsaid !== null || bytes === null || bytes.length >= wholeStringBytes) others.push(key)
    else {
      const typed = saidMs === -2 ? null : ({ kind: 'string', sizeBytes: bytes.length, bytes } as const)
      payloads.push({ key, bytes: null, typed, expiresAtMs: momentOf(saidMs, clockMs), error: null })
    }
  }
  mix.strings += payloads.length
  mix.others += others.length
  return { payloads, others }
}
