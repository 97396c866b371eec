/** The three ways in which every framing case is run: whole, byte by byte, and cut at random places. */

/** A small generator of its own (xorshift32), so that a failing run can be told by its seed alone. */
function randomFrom(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** Copies: a reader that keeps a slice of a chunk must not see its neighbours. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts)].filter((cut) => cut > 0 && cut < bytes.length).sort((a, b) => a - b)
  return [...places, bytes.length].map((end, i) => Buffer.from(bytes.subarray(places[i - 1] ?? 0, end)))
}

function cutAtRandom(bytes: Buffer, pieces: number, random: () => number): Buffer[] {
  return cutAt(
    bytes,
    Array.from({ length: pieces - 1 }, () => Math.floor(random() * bytes.length)),
  )
}

/** Beyond this, byte by byte would only be slow: such cases are cut into larger steps instead. */
const singleBytesMax = 300_000

export interface Run {
  /** For the message of a failing test; holds the seed. */
  readonly name: string
  readonly chunks: readonly Buffer[]
}

export function runsOf(bytes: Buffer): Run[] {
  const seed = Number(process.env.FERRY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const random = randomFrom(seed)
  const step = bytes.length > singleBytesMax ? 8_191 : 1
  const steps = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => i * step)
  return [
    { name: 'whole', chunks: [bytes] },
    { name: step === 1 ? 'byte by byte' : `in steps of ${step}`, chunks: cutAt(bytes, steps) },
    ...[2, 3, 7, 40].map((pieces) => ({
      name: `${pieces} random pieces, FERRY_TEST_SEED=${seed}`,
      chunks: cutAtRandom(bytes, pieces, random),
    })),
  ]
}
