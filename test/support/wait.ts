import { setTimeout as sleep } from 'node:timers/promises'

type Truthy<T> = Exclude<T, false | null | undefined | 0 | ''>

/**
 * Asks again and again until the condition holds, and gives what it returned. A condition that throws does not hold yet; the last
 * thing it threw becomes the cause of the time-out error. `what` completes the sentence "timed out waiting for …".
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 5_000, intervalMs = 10, what = 'the condition' }: { timeoutMs?: number; intervalMs?: number; what?: string } = {},
): Promise<Truthy<T>> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      last = undefined
      const value = await condition()
      if (value) return value as Truthy<T>
    } catch (error) {
      last = error
    }
    if (performance.now() >= deadline) throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}`, { cause: last })
    await sleep(intervalMs)
  }
}
