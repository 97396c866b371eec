/** Walking a key space in batches. */
import { isReplyError } from '../resp/decode.ts'
import type { VerifyPipe } from './verify-pipe.ts'

/** SCAN's COUNT: a batch is one round trip, and a server is busy with it for well under a millisecond. */
const scanCount = 1_000

export interface ScanBatch {
  readonly keys: Buffer[]
  /** Where the walk goes on behind this batch; opaque, and of this server alone. '0' = it ends. */
  readonly next: string
}

/** Duplicates are possible, as with SCAN itself. The next SCAN is under way while a batch is being worked on. */
export async function* scanKeys(pipe: VerifyPipe, from = '0'): AsyncGenerator<ScanBatch> {
  let asked = scan(pipe, from)
  for (;;) {
    const batch = await asked
    if (batch.next !== '0') {
      asked = scan(pipe, batch.next)
      // If the consumer stops early nobody awaits it.
      asked.catch(() => {})
    }
    yield batch
    if (batch.next === '0') return
  }
}

async function scan(pipe: VerifyPipe, cursor: string): Promise<ScanBatch> {
  const reply = await pipe.call(['SCAN', cursor, 'COUNT', scanCount])
  if (!Array.isArray(reply)) throw new Error(isReplyError(reply) ? reply.error : 'SCAN gave no list')
  return { next: String(reply[0]), keys: reply[1] as Buffer[] }
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
