/** Runs all of the works, and rejects only once each of them has ended: nothing goes on behind the back of whoever tries again. */
import { eachOf } from '../dispatch/typed/some-at-once.ts'

/** `limit` of them at a time; after a failure no further one is begun. Rejects with the first failure. */
export async function eachToItsEnd<Item>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = []
  await eachOf(items, limit, async (item) => {
    if (failures.length > 0) return
    try {
      await work(item)
    } catch (error) {
      failures.push(error)
    }
  })
  if (failures.length > 0) throw failures[0]
}
