/** Walking a key space in batches whose values fit into memory. */
import type { Reply, VerifyPipe } from './verify-pipe.ts'

export interface SizedKey {
  readonly key: Buffer
  /** In the server's memory; an estimate. 0 = unknown. */
  readonly sizeBytes: number
}

/** SCAN's COUNT: a batch is one round trip, and a server is busy with it for well under a millisecond. */
const scanCount = 1_000
/** What one chunk of values may hold on each side. */
const chunkBytes = 4 << 20
/** Chunk of keys whose sizes cannot be had: MEMORY USAGE is not everywhere. */
const unsizedKeys = 100

/** Duplicates are possible, as with SCAN itself. The next SCAN is under way while a batch is being worked on. */
export async function* scanKeys(pipe: VerifyPipe): AsyncGenerator<Buffer[]> {
  let next = scan(pipe, '0')
  for (;;) {
    const { cursor, keys } = await next
    if (cursor !== '0') {
      next = scan(pipe, cursor)
      // If the consumer stops early nobody awaits it.
      next.catch(() => {})
    }
    if (keys.length > 0) yield keys
    if (cursor === '0') return
  }
}

async function scan(pipe: VerifyPipe, cursor: string): Promise<{ cursor: string; keys: Buffer[] }> {
  const reply = await pipe.call(['SCAN', cursor, 'COUNT', scanCount])
  if (!Array.isArray(reply)) throw reply instanceof Error ? reply : new Error('SCAN gave no list')
  return { cursor: String(reply[0]), keys: reply[1] as Buffer[] }
}

/** Chunks that stay within `chunkBytes` on the largest of the given sides; a key above it is a chunk of its own. */
export async function sizedChunks(keys: readonly Buffer[], pipes: readonly VerifyPipe[]): Promise<SizedKey[][]> {
  const answers = await Promise.all(pipes.map((pipe) => pipe.perKey(['MEMORY USAGE'], keys)))
  const chunks: SizedKey[][] = []
  let chunk: SizedKey[] = []
  let bytes = 0
  keys.forEach((key, index) => {
    const sizeBytes = largest(answers, index)
    const weight = sizeBytes || chunkBytes / unsizedKeys
    if (chunk.length > 0 && bytes + weight > chunkBytes) {
      chunks.push(chunk)
      chunk = []
      bytes = 0
    }
    chunk.push({ key, sizeBytes })
    bytes += weight
  })
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}

/** An answer that is no number (no such key any more, no such command) weighs nothing. */
function largest(answers: readonly Reply[][], index: number): number {
  let size = 0
  for (const answer of answers) {
    const value = answer[index]
    if (typeof value === 'number' && value > size) size = value
  }
  return size
}

/** At most `limit` of them at once. After a failure nothing new begins, and what runs is awaited before the failure is thrown. */
export async function eachInFlight<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>()
  const failures: unknown[] = []
  try {
    for await (const item of items) {
      const task = work(item)
        .catch((error: unknown) => {
          failures.push(error)
        })
        .finally(() => running.delete(task))
      running.add(task)
      if (running.size >= limit) await Promise.race(running)
      if (failures.length > 0) break
    }
  } finally {
    await Promise.all(running)
  }
  if (failures.length > 0) throw failures[0]
}
