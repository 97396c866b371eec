/** Which keys a verification of some looks at. */
import type { VerifyPipe } from './verify-pipe.ts'

/** The same keys on both sides, and again after a resume: by their names alone. Shares below a millionth cannot be had. */
export function inSample(key: Buffer, percent: number): boolean {
  // FNV-1a, then mixed: neighbouring names must not be alike in their upper bits.
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0 < (percent / 100) * 2 ** 32
}

const drawKeys = 500
/** So many draws per wanted key: of a database that is hardly larger than the sample the last keys would take for ever. */
const drawsPerKey = 4

/** Up to `wanted` different keys, drawn by the server; fewer where it has hardly more. */
export async function* drawnKeys(pipe: VerifyPipe, wanted: number): AsyncGenerator<Buffer[]> {
  const seen = new Set<string>()
  for (let draws = 0; draws < wanted * drawsPerKey && seen.size < wanted; draws += drawKeys) {
    const drawn = await pipe.callAll(Array.from({ length: Math.min(drawKeys, wanted - seen.size) }, () => ['RANDOMKEY']))
    const fresh: Buffer[] = []
    for (const key of drawn) {
      if (!Buffer.isBuffer(key) || seen.has(key.toString('latin1'))) continue
      seen.add(key.toString('latin1'))
      fresh.push(key)
    }
    if (drawn[0] === null) return
    if (fresh.length > 0) yield fresh
  }
}
