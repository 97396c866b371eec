/** Between two looks at something that takes its time. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Returns early, and without an error, when the signal comes. */
export async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal }).catch(() => {})
}
